-- Appends entries. KEYS: log. ARGV: how long entries are kept (ms), how many words an entry has, and the words of each entry.
local time = redis.call('TIME')
local oldest = string.format('%.0f', math.max(time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1], 0))
for i = 3, #ARGV, ARGV[2] do
  redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', unpack(ARGV, i, i + ARGV[2] - 1))
end
return 1
