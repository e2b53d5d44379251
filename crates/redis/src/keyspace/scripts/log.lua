-- Appends entries for sessions that are about to be ended. KEYS: log. ARGV: how long entries are kept (ms), time of the end
-- (8 bytes), handles.
local time = redis.call('TIME')
local oldest = string.format('%.0f', math.max(time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[1], 0))
for i = 3, #ARGV do
  redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', 'h', ARGV[i], 't', ARGV[2])
end
return 1
