"""The Lua script that adds frames to the live feed of a camera that has a lease: in the camera's slot, and fenced."""

from __future__ import annotations

import hashlib

FEED = """
-- KEYS  1 stream of frames of one camera   2 the highest epoch that it has seen
-- ARGV  1 our epoch   2 length to which the stream is trimmed   then six each: names and values of three fields
-- Answers how many were added; -1 where a newer epoch was here.
if tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[1]) then
  return -1
end
redis.call('SET', KEYS[2], ARGV[1])
for at = 3, #ARGV, 6 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, at, at + 5))
end
return (#ARGV - 2) / 6
"""
FEED_SHA = hashlib.sha1(FEED.encode()).hexdigest()
