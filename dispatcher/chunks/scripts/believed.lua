-- Returns the members of KEYS[1] that are believed now: all of them, or those that are asked for.

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
if #ARGV == 0 then
  return redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')
end
local found = {}
for _, member in ipairs(ARGV) do
  local believed_until = redis.call('ZSCORE', KEYS[1], member)
  if believed_until and tonumber(believed_until) >= now then
    found[#found + 1] = member
  end
end
return found
