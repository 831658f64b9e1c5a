-- Give each of ARGV's jobs (8 entries each) a place of its own, or link it to the one that does
-- the same work. Answers how many wait, and for each job what its dispatcher has to do.

local answers = {}
for from = 1, #ARGV, 8 do
  local id, record, body = described(from)
  local before = read(id)
  redis.call('DEL', PREFIX .. 'withdrawn:' .. id)
  if before and is_in_work(before) then
    answers[#answers + 1] = 'known'
  else
    if before then
      leave(id, before)
      record.beginnings = before.beginnings
    end
    local leader, leading = leader_of(record.key)
    if leader and leader ~= id then
      record.body = body
      enter(id, record, 'linked')
      answers[#answers + 1] = leading.confirmed and 'known' or 'unsettled'
    else
      lead(id, record)
      enter(id, record, 'waiting')
      answers[#answers + 1] = 'publish'
    end
  end
end
return { redis.call('HGET', TOTALS, '#waiting') or '0', answers }
