-- ARGV[1..8]: a job; ARGV[9]: who takes it; ARGV[10]: for how many seconds. Answers what became
-- of it and a number: its beginnings, or for how many milliseconds somebody else has it.

local id, fresh, body = described(1)
local owner, lease_s = ARGV[9], tonumber(ARGV[10])
if redis.call('EXISTS', PREFIX .. 'withdrawn:' .. id) == 1 then
  return { 'withdrawn', 0 }
end
local record = read(id)
if record and is_in_work(record) and record.owner ~= owner then
  return { 'busy', math.ceil((record.lease - NOW) * 1000) }
end
local is_again = record and is_in_work(record)
if record then
  leave(id, record)
  note_begun(record)
else
  record = fresh
end
local leader, leading = leader_of(record.key)
-- One that waits is not waited for: this one is here, and leads for as long as it is in work.
if leader and leader ~= id and is_in_work(leading) then
  record.body = body
  enter(id, record, 'linked')
  return { 'linked', 0 }
end
if leader and leader ~= id then
  record.deposed = leader
end
lead(id, record)
if not is_again then
  record.beginnings = record.beginnings + 1
end
record.back, record.landed = nil, nil
record.confirmed, record.owner, record.lease, record.seen = true, owner, NOW + lease_s, NOW
enter(id, record, 'working')
return { 'begun', record.beginnings }
