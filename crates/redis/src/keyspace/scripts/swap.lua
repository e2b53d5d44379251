-- Compare-and-swap. KEYS: row. ARGV: expected version, new head, expiry of the key (ms).
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
  -- This may be a repetition of a call whose answer was lost.
  return old == ARGV[2] and 1 or 0
end
redis.call('SETRANGE', KEYS[1], 0, ARGV[2])
if string.sub(old, 48, 55) ~= string.sub(ARGV[2], 48, 55) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
