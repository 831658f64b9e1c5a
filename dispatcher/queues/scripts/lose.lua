-- Of a queue (ARGV[1]) whose messages are gone, forget the jobs that no worker has seen for ARGV[2]
-- seconds. ARGV[3], ARGV[4]: the first to look at, and how many. Answers how many were looked at
-- and how many of them went.

local ids = redis.call(
  'ZRANGE', key('waiting:' .. ARGV[1]), ARGV[3], tonumber(ARGV[3]) + tonumber(ARGV[4]) - 1)
local gone = 0
for _, id in ipairs(ids) do
  local record = read(id)
  if not record then
    redis.call('ZREM', key('waiting:' .. ARGV[1]), id)
    gone = gone + 1
  elseif NOW - math.max(record.seen, record.published) >= tonumber(ARGV[2]) then
    forget(id, record)
    gone = gone + 1
  end
end
return { #ids, gone }
