"""The Lua scripts of leases: who may speak for a camera, by Redis' own clock, each in one step.

A lease is a field of one hash: camera → 'EPOCH UNTIL_MS OWNER'. OWNER is empty where it was given back, and '?' where
the server had forgotten it and learned its epoch from what was published. The epoch never falls: it is the one before
plus one, or the milliseconds of Redis' clock, whichever is more. So it rises even where Redis has lost its data.
"""

from __future__ import annotations

_COMMON = """
local function lease_of(camera)
  local epoch, till, owner = string.match(redis.call('HGET', KEYS[1], camera) or '0 0 ', '^(%d+) (%d+) (.*)$')
  return tonumber(epoch), tonumber(till), owner
end
local function keep(camera, epoch, till, owner)
  redis.call('HSET', KEYS[1], camera, string.format('%.0f %.0f %s', epoch, till, owner))
end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
"""

TAKE = (
    _COMMON
    + """
-- KEYS  1 leases      ARGV  1 owner   2 for how many ms   3 '1': even from somebody who still holds it   then cameras
-- Answers four for each camera: epoch (0: not had), 1 where it was ours already, ms that it is held still, by whom
local answers = {}
for n = 4, #ARGV do
  local epoch, till, owner = lease_of(ARGV[n])
  if owner == ARGV[1] then -- nobody has spoken for it since
    keep(ARGV[n], epoch, now_ms + tonumber(ARGV[2]), owner)
    answers[#answers + 1] = {string.format('%.0f', epoch), 1, 0, ''}
  elseif owner == '' or till <= now_ms or ARGV[3] == '1' then
    epoch = math.max(epoch + 1, now_ms)
    keep(ARGV[n], epoch, now_ms + tonumber(ARGV[2]), ARGV[1])
    answers[#answers + 1] = {string.format('%.0f', epoch), 0, 0, owner}
  else
    answers[#answers + 1] = {'0', 0, till - now_ms, owner}
  end
end
return answers
"""
)

RENEW = (
    _COMMON
    + """
-- KEYS  1 leases      ARGV  1 owner   2 for how many ms   then two for each camera: its name, the epoch that we hold
-- Answers one for each camera: 1 where it is still ours
local answers = {}
for n = 3, #ARGV, 2 do
  local held = tonumber(ARGV[n + 1])
  local epoch, till, owner = lease_of(ARGV[n])
  -- A lower epoch than ours, or none: the server has forgotten it. Only it can have given ours.
  if held > epoch or (held == epoch and (owner == ARGV[1] or owner == '?')) then
    keep(ARGV[n], held, now_ms + tonumber(ARGV[2]), ARGV[1])
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end
return answers
"""
)

WRITE = (
    _COMMON
    + """
-- KEYS  1 leases   2 handovers   3 stream of alerts
-- ARGV  1 owner   2 '1': give the lease back   then three for each camera: its name, the epoch that we hold, what the
--       next owner needs to know (empty: nothing new)
-- Answers one for each camera: 1 where it was still ours to write
local answers = {}
local told = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)
local upto = told[1] and told[1][1] or '0-0'
for n = 3, #ARGV, 3 do
  local held = tonumber(ARGV[n + 1])
  local epoch, till, owner = lease_of(ARGV[n])
  if held > epoch or (held == epoch and (owner == ARGV[1] or owner == '?')) then
    if ARGV[n + 2] ~= '' then -- with the place in the stream that it speaks of: what comes after it is newer
      redis.call('HSET', KEYS[2], ARGV[n], upto .. ' ' .. ARGV[n + 2])
    end
    if ARGV[2] == '1' then
      keep(ARGV[n], held, 0, '')
    end
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end
return answers
"""
)

RAISE = """
-- KEYS  1 the highest epoch that the live feed of one camera has seen      ARGV  1 ours
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
"""
