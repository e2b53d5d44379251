-- Stores a new session. KEYS: row. ARGV: row, expiry of the key (ms).
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', ARGV[2]) then
  return 1
end
-- This may be a repetition of a call whose answer was lost.
local stored = redis.call('GETRANGE', KEYS[1], 0, 25)
return stored == string.sub(ARGV[1], 1, 26) and 1 or 0
