-- Forget a job (ARGV[1]) that ARGV[2] is done with, unless somebody else has it in work. Answers
-- the body of the one that takes its place, when some were linked to it that nobody has ended.

local record = read(ARGV[1])
if record and is_in_work(record) and record.owner ~= ARGV[2] then
  return false
end
redis.call('SET', PREFIX .. 'ended:' .. ARGV[1], '1', 'EX', LATE_S)
if not record then
  return false
end
local led = record.key ~= '' and redis.call('HGET', FLIGHTS, record.key) == ARGV[1]
forget(ARGV[1], record)
return led and succeed(record) or false
