-- Lists a session under its subject, and forgets those that are long dead. KEYS: index. ARGV: handle, when the session dies
-- at the latest (ms), when its row goes at the latest (ms), whichever died before which time (ms) is forgotten.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
if tonumber(ARGV[3]) > redis.call('PEXPIRETIME', KEYS[1]) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
