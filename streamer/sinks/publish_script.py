"""The Lua script that publishes alert changes once each: all of a call or none of it, and how far this line came."""

from __future__ import annotations

PUBLISH = """
-- KEYS  1 stream of alerts   2 hash of open alerts   3 hash of this line: row, name, fenced
--       4 hash id -> highest seq of late alerts   5 the generation before it
--       6 hash camera -> 'EPOCH UNTIL_MS OWNER', the leases of a cluster
-- ARGV  1 the row that the publisher believes to be the last here   2 length to which the stream is trimmed
--       3 how many alerts a generation of the memory holds   4 how many changes follow
--       then eleven each: row, id, seq, type, camera, kind, severity, data, schema, epoch (0: compare nothing),
--       signature ('': none)
-- Answers {last row here, entries added, entries left out because the id had this seq already,
--          rows after ARGV 1 that were passed over because their camera had moved: numbers with spaces between}

-- Read every key first: a key of a wrong type must fail before anything has been written, not half-way.
local mark = tonumber(redis.call('HGET', KEYS[3], 'row') or '0')
redis.call('XLEN', KEYS[1])
redis.call('HLEN', KEYS[2])
redis.call('HLEN', KEYS[4])
redis.call('HLEN', KEYS[5])
redis.call('HLEN', KEYS[6])

if mark < tonumber(ARGV[1]) then
  return {mark, 0, 0, ''} -- this server has forgotten: the publisher goes back to what is remembered here
end

-- What was passed over is remembered until the publisher has heard of it: the answer to a call may be lost.
local fenced, told_before = {}, redis.call('HGET', KEYS[3], 'fenced')
for row in string.gmatch(told_before or '', '%d+') do
  if tonumber(row) > tonumber(ARGV[1]) then
    fenced[#fenced + 1] = row
  end
end

local newest = {} -- camera -> the epoch of its lease, looked up once
local function has_moved(camera, epoch)
  if newest[camera] == nil then
    newest[camera] = tonumber(string.match(redis.call('HGET', KEYS[6], camera) or '0', '^%d+'))
  end
  if epoch > newest[camera] then -- this server has forgotten that lease: only it can have given so high an epoch
    redis.call('HSET', KEYS[6], camera, string.format('%.0f 0 ?', epoch))
    newest[camera] = epoch
  end
  return epoch < newest[camera]
end

local added, repeated, name = 0, 0, nil
for n = 0, tonumber(ARGV[4]) - 1 do
  local at = 5 + n * 11
  local row, id, seq, kind_of_change = tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  if row > mark then -- else: a retry after a lost answer
    local last = tonumber(redis.call('HGET', KEYS[4], id) or redis.call('HGET', KEYS[5], id) or '0')
    local epoch = ARGV[at + 9]
    local moved = epoch ~= '0' and has_moved(ARGV[at + 4], tonumber(epoch))
    if moved and kind_of_change == 'evidence' and seq == last + 1 and redis.call('HEXISTS', KEYS[2], id) == 0 then
      moved = false -- the clip of an alert whose end was told is where it was recorded, and nobody else has it
    end
    if moved then
      fenced[#fenced + 1] = ARGV[at]
    elseif seq > last then -- else: another outbox has told it already
      local fields = {'schema', ARGV[at + 8], 'id', id, 'type', kind_of_change, 'seq', ARGV[at + 2],
        'camera', ARGV[at + 4], 'kind', ARGV[at + 5], 'severity', ARGV[at + 6], 'data', ARGV[at + 7]}
      if ARGV[at + 10] ~= '' then
        fields[#fields + 1] = 'signature'
        fields[#fields + 1] = ARGV[at + 10]
      end
      redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(fields))
      redis.call('HSET', KEYS[4], id, ARGV[at + 2])
      if kind_of_change == 'closed' or kind_of_change == 'evidence' then -- what comes after the end opens nothing
        redis.call('HDEL', KEYS[2], id)
      elseif kind_of_change == 'opened' or kind_of_change == 'updated' then -- else: what a person did about one
        redis.call('HSET', KEYS[2], id, ARGV[at + 7])
      end
      added = added + 1
    else
      repeated = repeated + 1
    end
    mark, name = row, id .. ':' .. ARGV[at + 2]
  end
end

if name then
  redis.call('HSET', KEYS[3], 'row', string.format('%d', mark), 'name', name)
end
if #fenced > 0 then
  redis.call('HSET', KEYS[3], 'fenced', table.concat(fenced, ' '))
elseif told_before then
  redis.call('HDEL', KEYS[3], 'fenced')
end
if redis.call('HLEN', KEYS[4]) > tonumber(ARGV[3]) then
  redis.call('RENAME', KEYS[4], KEYS[5])
end
return {mark, added, repeated, table.concat(fenced, ' ')}
"""
