-- One page of an index, the latest first.
-- KEYS: the index, what says that the indexes are complete
-- ARGV: the id before the page (empty: none), how many
-- Returns nothing when the indexes are not complete.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return false
end
local first = 0
if ARGV[1] ~= '' then
  local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
  if not rank then
    return {}
  end
  first = rank + 1
end
return redis.call('ZREVRANGE', KEYS[1], first, first + ARGV[2] - 1)
