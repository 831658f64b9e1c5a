-- Forget ARGV's jobs, which could not be published; whoever waits to be linked finds that out and
-- leads. One that is in work has come through all the same.

for _, id in ipairs(ARGV) do
  local record = read(id)
  if record and not is_in_work(record) then
    forget(id, record)
  end
end
