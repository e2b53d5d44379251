-- Deletes a session that was dead before a time, and returns its subject. KEYS: row. ARGV: the time (8 bytes). Times are
-- big-endian. Lua compares strings by the server's locale, so the bytes are compared one by one.
local function is_before(a, b)
  for i = 1, 8 do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return false
end
local old = redis.call('GETRANGE', KEYS[1], 0, 74)
local format = string.byte(old, 1)
if #old < 75 or (format ~= 1 and format ~= 2) then
  return false
end
local dead = string.sub(old, 48, 55)
local absolute, ended = string.sub(old, 56, 63), string.sub(old, 11, 18)
if is_before(absolute, dead) then
  dead = absolute
end
if string.byte(old, 10) ~= 0 and is_before(ended, dead) then
  dead = ended
end
if not is_before(dead, ARGV[1]) then
  return false
end
local a, b, c, d = string.byte(old, 72, 75)
local subject = ''
if a + b + c + d > 0 then
  subject = redis.call('GETRANGE', KEYS[1], 75, 74 + ((a * 256 + b) * 256 + c) * 256 + d)
end
redis.call('UNLINK', KEYS[1])
return subject
