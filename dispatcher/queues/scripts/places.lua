-- What every script of the backlog begins with: the records and how they change.
--
-- KEYS[1] is the prefix of all keys; its braces keep them in one slot. All keys but the hash of
-- records carry the epoch that is written in it: when that hash is gone, whatever else was left
-- (by an eviction of single keys) is never looked at again and expires.
--
-- A record: state (waiting, working or linked), lane, priority, tenant, size, due (the score in
-- its queue), key (the work), published and seen (when), confirmed, beginnings, owner and
-- lease (until when) while it is in work, body while it is linked. Points in time are Unix seconds
-- by the clock of Redis; only due comes from the dispatcher that accepted the job.

local PREFIX = KEYS[1]
local RECORDS = PREFIX .. 'records'
local KEPT_S = 8 * 24 * 3600
local UNCONFIRMED_S = 7
local GRACE_S = 30
local OVERTAKEN_S = 120
local LATE_S = 30

local time = redis.call('TIME')
local NOW = tonumber(time[1]) + tonumber(time[2]) / 1e6

local EPOCH = redis.call('HGET', RECORDS, '#epoch')
if not EPOCH then
  EPOCH = time[1] .. '.' .. time[2]
  redis.call('HSET', RECORDS, '#epoch', EPOCH)
  redis.call('EXPIRE', RECORDS, KEPT_S)
end

local function key(name)
  return PREFIX .. EPOCH .. ':' .. name
end

local TOTALS, QUEUES, LANES, FLIGHTS, UNCONFIRMED, BEGUN =
  key('totals'), key('queues'), key('lanes'), key('flights'), key('unconfirmed'), key('begun')

local function keep(name)
  redis.call('EXPIRE', name, KEPT_S)
end

local function read(id)
  local packed = redis.call('HGET', RECORDS, id)
  return packed and cmsgpack.unpack(packed)
end

local function write(id, record)
  redis.call('HSET', RECORDS, id, cmsgpack.pack(record))
  keep(RECORDS)
end

local function queue_of(record)
  return record.priority .. ':' .. record.lane
end

local function working_of(lane)
  return key('working:' .. lane)
end

local function linked_to(work)
  return key('linked:' .. work)
end

-- Totals never go below zero, and begin anew whenever nothing waits: they cannot drift for long.
local function count(record, change)
  local waiting = redis.call('HINCRBY', TOTALS, '#waiting', change)
  if waiting <= 0 then
    redis.call('DEL', TOTALS)
    return
  end
  local size = change > 0 and record.size or 0 - record.size -- a product may be -0
  if redis.call('HINCRBY', TOTALS, '#bytes', size) < 0 then
    redis.call('HSET', TOTALS, '#bytes', 0)
  end
  local sizes = 'b:' .. record.lane
  if redis.call('HINCRBY', TOTALS, sizes, size) <= 0 then
    redis.call('HDEL', TOTALS, sizes)
  end
  local tenant = 't:' .. record.tenant
  if redis.call('HINCRBY', TOTALS, tenant, change) <= 0 then
    redis.call('HDEL', TOTALS, tenant)
  end
  keep(TOTALS)
end

local function enter(id, record, state)
  record.state = state
  if state == 'waiting' then
    local queue = queue_of(record)
    redis.call('ZADD', key('waiting:' .. queue), record.due, id)
    keep(key('waiting:' .. queue))
    redis.call('SADD', QUEUES, queue)
    keep(QUEUES)
    count(record, 1)
    if not record.confirmed then
      redis.call('ZADD', UNCONFIRMED, record.published, id)
      keep(UNCONFIRMED)
    end
  elseif state == 'working' then
    redis.call('ZADD', working_of(record.lane), record.lease, id)
    keep(working_of(record.lane))
    redis.call('SADD', LANES, record.lane)
    keep(LANES)
  else
    redis.call('ZADD', linked_to(record.key), record.due, id)
    keep(linked_to(record.key))
  end
  write(id, record)
end

-- Take a record out of where it stands; it is written again, or removed, by the caller.
local function leave(id, record)
  if record.state == 'waiting' then
    redis.call('ZREM', key('waiting:' .. queue_of(record)), id)
    redis.call('ZREM', UNCONFIRMED, id)
    count(record, -1)
  elseif record.state == 'working' then
    redis.call('ZREM', working_of(record.lane), id)
  else
    redis.call('ZREM', linked_to(record.key), id)
    record.body = nil
  end
end

-- Forget a job. If it led, its flight has no leader until another takes its place.
local function forget(id, record)
  leave(id, record)
  redis.call('HDEL', RECORDS, id)
  if record.key ~= '' and redis.call('HGET', FLIGHTS, record.key) == id then
    redis.call('HDEL', FLIGHTS, record.key)
  end
end

-- Note that the broker has come so far in a queue.
local function note_begun(record)
  local begun = tonumber(redis.call('HGET', BEGUN, queue_of(record)) or 0)
  redis.call('HSET', BEGUN, queue_of(record), math.max(begun, record.published))
  keep(BEGUN)
end

-- Whether a dispatcher has just told that it has a job no longer: what it says of the job in the
-- meantime was on its way before.
local function has_let_go(id, record)
  if record then
    return record.back and NOW - record.back < LATE_S
  end
  return redis.call('EXISTS', PREFIX .. 'withdrawn:' .. id, PREFIX .. 'ended:' .. id) > 0
end

-- Whether much younger messages of its queue have been taken while nobody has its own at hand:
-- the broker keeps their order, so this one is lost.
local function is_overtaken(record)
  local begun = tonumber(redis.call('HGET', BEGUN, queue_of(record)) or 0)
  return begun - record.published > OVERTAKEN_S and NOW - record.seen > OVERTAKEN_S
end

-- Whether a place in the queue, or a lease, is what it says: not one of a dispatcher that died
-- before it had published, or whose lease ran out and nobody has taken the job since.
local function is_alive(record)
  if record.state == 'waiting' then
    return record.confirmed and not is_overtaken(record)
      or not record.confirmed and NOW - record.published < UNCONFIRMED_S
  end
  return record.state == 'working' and NOW - record.lease < GRACE_S
end

local function is_in_work(record)
  return record.state == 'working' and NOW < record.lease
end

-- Return the id and the record of the job that does a work; nothing when nobody does.
local function leader_of(work)
  if work == '' then
    return nil
  end
  local id = redis.call('HGET', FLIGHTS, work)
  local record = id and read(id)
  if record and record.key == work and is_alive(record) then
    return id, record
  end
  return nil
end

local function lead(id, record)
  if record.key ~= '' then
    redis.call('HSET', FLIGHTS, record.key, id)
    keep(FLIGHTS)
  end
end

-- Let a job lead again that waited when this one was taken; false when it waits no more.
local function restore_leader(record)
  local deposed = record.deposed and read(record.deposed)
  if deposed and deposed.state == 'waiting' and is_alive(deposed) then
    lead(record.deposed, deposed)
    return true
  end
  return false
end

-- Give the place of a leader that is gone to the first of those that are linked to it, and return
-- its body: it is to be published. Nothing when none is linked.
local function succeed(record)
  local work = record.key
  if work == '' or leader_of(work) or restore_leader(record) then
    return nil
  end
  local first = redis.call('ZRANGE', linked_to(work), 0, 0)[1]
  if not first then
    return nil
  end
  local successor = read(first)
  if not successor then -- its record was evicted
    redis.call('ZREM', linked_to(work), first)
    return succeed(record)
  end
  local body = successor.body
  leave(first, successor)
  successor.published, successor.confirmed = NOW, false
  lead(first, successor)
  enter(first, successor, 'waiting')
  return body
end

-- A job as a dispatcher describes it: id, lane, priority, tenant, size, due, key.
local function described(from)
  return ARGV[from], {
    lane = ARGV[from + 1], priority = ARGV[from + 2], tenant = ARGV[from + 3],
    size = tonumber(ARGV[from + 4]), due = tonumber(ARGV[from + 5]), key = ARGV[from + 6],
    published = NOW, seen = NOW, confirmed = false, beginnings = 0,
  }, ARGV[from + 7]
end
