-- ARGV[1]: who; ARGV[2]: for how many seconds; then jobs (9 entries each, the last one says
-- whether it is in work or only at hand). Answers the ids of those that somebody else has.

local owner, lease_s = ARGV[1], tonumber(ARGV[2])
local lost = {}
for from = 3, #ARGV, 9 do
  local id, fresh = described(from)
  local wants_work = ARGV[from + 8] == 'working'
  local record = read(id)
  if record and is_in_work(record) and record.owner ~= owner then
    lost[#lost + 1] = id
  elseif wants_work and not has_let_go(id, record) then
    if record then
      leave(id, record)
    else
      record = fresh
      record.beginnings = 1
    end
    if not record.landed and not leader_of(record.key) then
      lead(id, record)
    end
    record.confirmed, record.owner, record.lease, record.seen = true, owner, NOW + lease_s, NOW
    enter(id, record, 'working')
  elseif record and record.state == 'waiting' then
    record.seen, record.confirmed = NOW, true
    redis.call('ZREM', UNCONFIRMED, id)
    write(id, record)
  elseif not record and not has_let_go(id) then
    fresh.confirmed = true
    if not leader_of(fresh.key) then
      lead(id, fresh)
    end
    enter(id, fresh, 'waiting')
  end
end
return lost
