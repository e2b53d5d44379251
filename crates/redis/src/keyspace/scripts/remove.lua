-- Removes handles without a row from an index, except those that were added within the last minute: their rows may be about to be
-- written. KEYS: index. ARGV: handles.
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], 60 - now, -1)
for _, handle in ipairs(ARGV) do
  if not redis.call('ZSCORE', KEYS[1], string.sub(handle, -4)) then
    redis.call('ZREM', KEYS[1], handle)
  end
end
return 1
