-- Compare-and-swap. KEYS: row. ARGV: expected version, new head, expiry of the key (ms), new changing part with its length, and
-- optionally the whole new row, which replaces a row of format 1. Returns 2 if the row has format 1 and there is no new one.
local old = redis.call('GETRANGE', KEYS[1], 0, 74)
if old == '' then
  return 0
end
local format = string.byte(old, 1)
if #old < 75 or (format ~= 1 and format ~= 2) then
  return redis.error_reply('UNREADABLE session row')
end
if string.byte(old, 10) ~= 0 then
  return 0
end
if string.sub(old, 2, 9) ~= ARGV[1] then
  -- This may be a repetition of a call whose answer was lost.
  return string.sub(old, 1, 55) == ARGV[2] and 1 or 0
end
if format == 1 then
  if not ARGV[5] then
    return 2
  end
  redis.call('SET', KEYS[1], ARGV[5], 'KEEPTTL')
else
  local a, b, c, d = string.byte(old, 72, 75)
  local start = 75 + ((a * 256 + b) * 256 + c) * 256 + d
  if redis.call('GETRANGE', KEYS[1], start, start + #ARGV[4] - 1) == ARGV[4] then
    redis.call('SETRANGE', KEYS[1], 0, ARGV[2])
  else
    local whole = redis.call('GET', KEYS[1])
    a, b, c, d = string.byte(whole, start + 1, start + 4)
    if not d then
      return redis.error_reply('UNREADABLE session row')
    end
    -- Fields after the changing part stay, including those of later versions.
    local rest = string.sub(whole, start + 5 + ((a * 256 + b) * 256 + c) * 256 + d)
    redis.call('SET', KEYS[1], ARGV[2] .. string.sub(whole, 56, start) .. ARGV[4] .. rest, 'KEEPTTL')
  end
end
if string.sub(old, 48, 55) ~= string.sub(ARGV[2], 48, 55) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
