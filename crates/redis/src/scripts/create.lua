-- Stores a new session. KEYS: row. ARGV: row, when the key expires (ms).
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', ARGV[2]) then
  return 1
end
-- The answer to the first try may have been lost, and the driver have tried again.
local stored = redis.call('GETRANGE', KEYS[1], 0, 25)
return stored == string.sub(ARGV[1], 1, 26) and 1 or 0
