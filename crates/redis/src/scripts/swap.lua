-- Compare-and-swap. KEYS: row. ARGV: expected version, new head, when the key expires (ms).
local old = redis.call('GETRANGE', KEYS[1], 0, 54)
if old == '' then
  return 0
end
if #old < 55 or string.byte(old, 1) ~= 1 then
  return redis.error_reply('UNREADABLE session row')
end
if string.byte(old, 10) ~= 0 then
  return 0
end
if string.sub(old, 2, 9) ~= ARGV[1] then
  -- The answer to the first try may have been lost, and the driver have tried again.
  return old == ARGV[2] and 1 or 0
end
redis.call('SETRANGE', KEYS[1], 0, ARGV[2])
if string.sub(old, 48, 55) ~= string.sub(ARGV[2], 48, 55) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
