-- Adds one to the claims epoch of a session that has not ended, and publishes and returns the sum. KEYS: row. ARGV: version
-- (8 bytes), writer (8 bytes), the feed's channel, the beginning of its message, and optionally the whole new row, which replaces a
-- row of format 1. Returns -1 if the row has format 1 and there is no new one.
local old = redis.call('GETRANGE', KEYS[1], 0, 74)
if old == '' then
  return false
end
local format = string.byte(old, 1)
if #old < 75 or (format ~= 1 and format ~= 2) then
  return redis.error_reply('UNREADABLE session row')
end
if string.byte(old, 10) ~= 0 then
  return false
end
if format == 1 then
  if not ARGV[5] then
    return -1
  end
  redis.call('SET', KEYS[1], ARGV[5], 'KEEPTTL')
end
local a, b, c, d = string.byte(old, 72, 75)
-- The epoch follows the subject and the length of the changing part.
local place = 79 + ((a * 256 + b) * 256 + c) * 256 + d
a, b, c, d = string.byte(redis.call('GETRANGE', KEYS[1], place, place + 3), 1, 4)
if not d then
  return redis.error_reply('UNREADABLE session row')
end
local epoch = ((a * 256 + b) * 256 + c) * 256 + d
if format == 2 then
  -- This may be a repetition of a call whose answer was lost.
  if string.sub(old, 2, 9) == ARGV[1] and string.sub(old, 19, 26) == ARGV[2] then
    return epoch
  end
  epoch = math.min(epoch + 1, 4294967295)
  a, b, c, d = math.floor(epoch / 16777216), math.floor(epoch / 65536) % 256, math.floor(epoch / 256) % 256, epoch % 256
  redis.call('SETRANGE', KEYS[1], place, string.char(a, b, c, d))
  redis.call('SETRANGE', KEYS[1], 1, ARGV[1] .. string.sub(old, 10, 18) .. ARGV[2])
end
-- The claims are outdated, whether or not this user may publish.
redis.pcall('PUBLISH', ARGV[3], ARGV[4] .. string.char(a, b, c, d))
return epoch
