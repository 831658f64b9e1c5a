-- Take away a job (ARGV[1]) that nobody wants any more. Answers where it was, and the body of the
-- one that takes its place when others are linked to it. Its message may still be somewhere: it is
-- remembered for ARGV[2] seconds that nobody is to take it.

local id = ARGV[1]
local record = read(id)
if record and is_in_work(record) then
  return { 'working', false }
end
redis.call('SET', PREFIX .. 'withdrawn:' .. id, '1', 'EX', ARGV[2])
if not record then
  return { 'unknown', false }
end
local led = record.key ~= '' and redis.call('HGET', FLIGHTS, record.key) == id
local was = record.state == 'working' and 'unknown' or 'waiting'
forget(id, record)
return { was, led and succeed(record) or false }
