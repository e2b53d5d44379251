-- Adds sessions to the index of their subject, unless they are in it. KEYS: index. ARGV: latest expiry of the rows' keys (ms), and
-- for each session its login (ms) and handle. Returns some members of an index that has grown large, so that the caller can remove
-- those without a row.
-- A handle that is added gets a mark for a minute, which keeps readers from removing it before its row is written: a member of four
-- bytes, whose score is the negative time (s).
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], 60 - now, -1)
for i = 2, #ARGV, 2 do
  if redis.call('ZADD', KEYS[1], 'NX', ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[1], -now, string.sub(ARGV[i + 1], -4))
  end
end
if tonumber(ARGV[1]) > redis.call('PEXPIRETIME', KEYS[1]) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
local sessions = redis.call('ZCOUNT', KEYS[1], 0, '+inf')
if sessions >= 32 and sessions % 16 == 0 then
  return redis.call('ZRANDMEMBER', KEYS[1], 64)
end
return {}
