-- Answers those of ARGV's jobs that wait, are in work, or are linked to one that does.

local known = {}
for _, id in ipairs(ARGV) do
  local record = read(id)
  local is_known = record and is_alive(record)
  if record and record.state == 'linked' then
    is_known = leader_of(record.key)
  end
  if is_known then
    known[#known + 1] = id
  end
end
return known
