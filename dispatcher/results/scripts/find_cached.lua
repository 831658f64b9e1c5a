-- Returns a cached result and marks it as used just now.
-- KEYS: value, all by their last use
-- ARGV: digest of its key, now, seconds to keep it for
local value = redis.call('GET', KEYS[1])
if value then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return value
