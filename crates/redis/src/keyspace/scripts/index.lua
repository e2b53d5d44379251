-- Adds a session to the index of its subject, and removes those that are long dead. KEYS: index. ARGV: handle, absolute expiry
-- (ms), latest expiry of the row's key (ms), and the time (ms) such that sessions that expired before it are removed.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
if tonumber(ARGV[3]) > redis.call('PEXPIRETIME', KEYS[1]) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
