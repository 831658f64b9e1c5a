-- Note that the messages of ARGV's jobs are safe: whoever is linked to one is accepted.

for _, id in ipairs(ARGV) do
  local record = read(id)
  if record and not record.confirmed then
    record.confirmed = true
    redis.call('ZREM', UNCONFIRMED, id)
    write(id, record)
  end
end
