-- Says what one dispatcher has for the next seconds.
--
-- KEYS[1] has the chunks in work, the other keys the ready replicas of one step each; members are
-- scored with the time until which they are believed, by the clock of Redis.
-- ARGV[1] is for how many seconds; then, for each key, how many members and those.

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local for_s = tonumber(ARGV[1])
local at = 2
for _, key in ipairs(KEYS) do
  local count = tonumber(ARGV[at])
  for number = at + 1, at + count do
    redis.call('ZADD', key, now + for_s, ARGV[number])
  end
  at = at + count + 1
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  redis.call('EXPIRE', key, math.ceil(for_s) + 1)
end
