-- Notes that the lists are complete, unless they were lost since somebody began to fill them.
-- KEYS: what says that they are complete, who fills them
-- ARGV: who has filled them, now
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2])
return 1
