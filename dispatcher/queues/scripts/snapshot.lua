-- Answers what waits and what is in work: totals, queues (name, waiting, due time of the first,
-- the first ids with their due times, at most ARGV[1] in all queues), lanes (name, in work).
-- Cleans up as well: places that were never published, leases that ran out long ago.

local STALE_S = 3600
for _, id in ipairs(
  redis.call('ZRANGEBYSCORE', UNCONFIRMED, '-inf', NOW - UNCONFIRMED_S, 'LIMIT', 0, 100)) do
  local record = read(id)
  redis.call('ZREM', UNCONFIRMED, id)
  if record and record.state == 'waiting' and not record.confirmed then
    forget(id, record)
  end
end

local names = redis.call('SMEMBERS', QUEUES)
local most = math.max(10, math.floor(tonumber(ARGV[1]) / math.max(1, #names)))
local queues = {}
for _, name in ipairs(names) do
  local waiting = key('waiting:' .. name)
  local size = redis.call('ZCARD', waiting)
  if size == 0 then
    redis.call('SREM', QUEUES, name)
  else
    queues[#queues + 1] = { name, size, redis.call('ZRANGE', waiting, 0, most - 1, 'WITHSCORES') }
  end
end

local lanes = {}
for _, lane in ipairs(redis.call('SMEMBERS', LANES)) do
  local working = working_of(lane)
  for _, id in ipairs(
    redis.call('ZRANGEBYSCORE', working, '-inf', NOW - STALE_S, 'LIMIT', 0, 100)) do
    local record = read(id)
    redis.call('ZREM', working, id)
    if record and record.state == 'working' and record.lease <= NOW - STALE_S then
      forget(id, record)
    end
  end
  if redis.call('ZCARD', working) == 0 then
    redis.call('SREM', LANES, lane)
  else
    lanes[#lanes + 1] = { lane, redis.call('ZCOUNT', working, NOW, '+inf') }
  end
end
return { redis.call('HGETALL', TOTALS), queues, lanes }
