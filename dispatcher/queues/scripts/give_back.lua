-- Let a job (ARGV[1]) that ARGV[2] has in work wait where it stood; 0 when it has it no longer.

local record = read(ARGV[1])
if not record or record.state ~= 'working' or record.owner ~= ARGV[2] then
  return 0
end
leave(ARGV[1], record)
record.beginnings = math.max(0, record.beginnings - 1)
record.published, record.seen, record.back = NOW, NOW, NOW
enter(ARGV[1], record, 'waiting')
return 1
