-- Land the flight that a job (ARGV[1]) leads: answers those that are linked to it, and forgets
-- them. From now on the same work begins anew.

local record = read(ARGV[1])
if not record or record.key == '' or redis.call('HGET', FLIGHTS, record.key) ~= ARGV[1] then
  return {}
end
local linked = redis.call('ZRANGE', linked_to(record.key), 0, -1)
for from = 1, #linked, 1000 do
  redis.call('HDEL', RECORDS, unpack(linked, from, math.min(from + 999, #linked)))
end
redis.call('DEL', linked_to(record.key))
if not restore_leader(record) then
  redis.call('HDEL', FLIGHTS, record.key)
end
record.landed = true
write(ARGV[1], record)
return linked
