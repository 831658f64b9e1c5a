-- Keeps a job's next state, unless a later one is there: a terminal state is never replaced.
-- KEYS: record, index of its tenant, index of all, the shelves held, ended, hits, and the gone
-- ARGV: value (its first byte is the state's rank), id, accepted at, seconds to keep it for,
--       number of its shelf in KEYS, its score there, whether it must be known ('1'),
--       channel, message (empty: nobody is told)
-- Returns 1 when kept, 0 when a later state is there or the job was dropped, -1 when it had to be
-- known and is not.
local known = redis.call('GETRANGE', KEYS[1], 0, 0)
if known == '' and ARGV[7] == '1' then
  return -1
end
if known ~= '' and (known == '2' or known > string.sub(ARGV[1], 1, 1)) then
  return 0
end
if known == '' and redis.call('ZSCORE', KEYS[7], ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
redis.call('ZADD', KEYS[2], 'NX', ARGV[3], ARGV[2])
redis.call('ZADD', KEYS[3], 'NX', ARGV[3], ARGV[2])
for shelf = 4, 6 do
  if shelf == tonumber(ARGV[5]) then
    redis.call('ZADD', KEYS[shelf], ARGV[6], ARGV[2])
  else
    redis.call('ZREM', KEYS[shelf], ARGV[2])
  end
end
if ARGV[9] ~= '' then
  redis.call('PUBLISH', ARGV[8], ARGV[9])
end
return 1
