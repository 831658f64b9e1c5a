-- Keeps a result; those that were used longest ago go when there are too many.
-- KEYS: value, all by their last use
-- ARGV: value, digest of its key, now, seconds to keep it for, most, what keys of values begin with
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if surplus > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], surplus)
  for place = 1, #oldest, 2 do
    redis.call('DEL', ARGV[6] .. oldest[place])
  end
end
return 1
