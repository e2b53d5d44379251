-- Reads some members of an index with their scores, newest login first. KEYS: index. ARGV: how many, and optionally the login (ms)
-- and the handle after which they begin, which need not be in the index.
local first = 0
if ARGV[2] then
  first = redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[2], '+inf')
  local last = first + redis.call('ZCOUNT', KEYS[1], ARGV[2], ARGV[2])
  -- Of the logins in this millisecond the largest handle comes first. Lua compares strings by the server's locale, so the bytes
  -- are compared one by one.
  local function is_after(member)
    for i = 1, #member do
      local ours, theirs = string.byte(ARGV[3], i), string.byte(member, i)
      if ours ~= theirs then
        return not ours or theirs < ours
      end
    end
    return false
  end
  while first < last do
    local middle = math.floor((first + last) / 2)
    if is_after(redis.call('ZRANGE', KEYS[1], middle, middle, 'REV')[1]) then
      last = middle
    else
      first = middle + 1
    end
  end
end
-- Marks have negative scores.
local last = math.min(first + ARGV[1], redis.call('ZCOUNT', KEYS[1], 0, '+inf')) - 1
if last < first then
  return {}
end
return redis.call('ZRANGE', KEYS[1], first, last, 'REV', 'WITHSCORES')
