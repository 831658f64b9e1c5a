-- Take a duty (ARGV[1]) for ARGV[3] milliseconds, or go on with it; 0 when another than ARGV[2]
-- has it.

local name = KEYS[1] .. 'duty:' .. ARGV[1]
local holder = redis.call('GET', name)
if holder and holder ~= ARGV[2] then
  return 0
end
redis.call('SET', name, ARGV[2], 'PX', ARGV[3])
return 1
