-- Ends a session and publishes it; returns its subject if this call ended it. KEYS: row. ARGV: reason and time (9 bytes),
-- writer (8 bytes), version (8 bytes), expiry of the key (ms), the feed's channel, its message, whether a session that was ended
-- before is written again so that WAIT includes it ('1'), and the subject, if only a session of this subject may be ended.
local old = redis.call('GETRANGE', KEYS[1], 0, 74)
if old == '' then
  return false
end
local format = string.byte(old, 1)
if #old < 75 or (format ~= 1 and format ~= 2) then
  return redis.error_reply('UNREADABLE session row')
end
local a, b, c, d = string.byte(old, 72, 75)
local subject = redis.call('GETRANGE', KEYS[1], 75, 74 + ((a * 256 + b) * 256 + c) * 256 + d)
if a + b + c + d == 0 then
  subject = ''
end
if ARGV[8] and ARGV[8] ~= subject then
  return false
end
if string.byte(old, 10) ~= 0 then
  if ARGV[7] == '1' then
    redis.call('SETRANGE', KEYS[1], 0, string.sub(old, 1, 1))
  end
  -- This may be a repetition of a call whose answer was lost.
  if string.sub(old, 10, 26) == ARGV[1] .. ARGV[2] then
    return subject
  end
  return false
end
redis.call('SETRANGE', KEYS[1], 1, ARGV[3] .. ARGV[1] .. ARGV[2])
redis.call('PEXPIREAT', KEYS[1], ARGV[4], 'LT')
-- The session has ended, whether or not this user may publish.
redis.pcall('PUBLISH', ARGV[5], ARGV[6])
return subject
