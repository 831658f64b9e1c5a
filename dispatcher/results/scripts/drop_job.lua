-- Forgets a job.
-- KEYS: record, index of its tenant, index of all, the shelves held, ended, hits, and the gone
-- ARGV: id, now, how many ids of dropped jobs are remembered (0: this one is not)
redis.call('DEL', KEYS[1])
for place = 2, 6 do
  redis.call('ZREM', KEYS[place], ARGV[1])
end
local most = tonumber(ARGV[3])
if most > 0 then
  redis.call('ZADD', KEYS[7], ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[7], 0, -most - 1)
end
return 1
