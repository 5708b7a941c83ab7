-- Throttles: limits on how many jobs run at once (concurrency) and on how fast they may start (a
-- bucket of `burst` tokens, refilled by `rate` tokens every `per` milliseconds; a job takes what it
-- costs). Changes are collected in the session and written once, when it is closed.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local stored = require("lib.core.stored")

local throttles = {}

-- Tolerance for sums of fractions: far below any cost, far above rounding errors.
local TOLERANCE = 1e-9

-- The queue whose own throttle this is, or nil.
function throttles.queue_of(id)
  return string.match(id, "^queue:(.+)$")
end

-- The user whose own throttle this is, or nil.
function throttles.user_of(id)
  return string.match(id, "^user:(.+)$")
end

-- The throttles of which a job holds a slot while it runs, without that of its queue.
function throttles.held_by(record)
  local ids = { unpack(record.throttles or {}) }
  ids[#ids + 1] = record.user and "user:" .. record.user
  return ids
end

-- Fills the bucket up to the present. After the clock was set back it fills from now on.
local function refill(s, entry)
  local record = entry.record
  local passed = s.now - record.at
  if passed < 0 then
    entry.is_changed = true
  end
  record.tokens = math.min(record.burst,
    record.tokens + math.max(passed, 0) * record.rate / record.per)
  record.at = s.now
end

local function cache(s, id, packed)
  local record = packed and stored.unpack(packed) or nil
  if packed and not record then
    redis.quarantine(keys.throttle_record(id))
  end
  local entry = { id = id, record = record }
  s.throttles[id] = entry
  if entry.record and entry.record.rate then
    refill(s, entry)
  end
  return entry
end

-- The throttle as changed by this call so far, {id, record}; without limits it has no record.
function throttles.get(s, id)
  s.throttles = s.throttles or {}
  return s.throttles[id] or cache(s, id, redis.call("GET", keys.throttle_record(id)))
end

-- Reads throttles together that are likely to be needed.
function throttles.prepare(s, ids)
  s.throttles = s.throttles or {}
  local missing, names = {}, {}
  for _, id in ipairs(ids) do
    if not s.throttles[id] then
      missing[#missing + 1] = id
      names[#names + 1] = keys.throttle_record(id)
    end
  end
  if #names == 0 then
    return
  end
  for i, packed in ipairs(redis.call("MGET", unpack(names))) do
    cache(s, missing[i], packed)
  end
end

-- Reserves room of a throttle, as {jid, queue, until, cost}, or ends the reservation with nil.
function throttles.set_reservation(entry, reserved)
  local before = entry.record.reserved
  if before then
    redis.call("ZREM", keys.reserving(before.queue), entry.id)
  end
  if reserved then
    redis.call("ZADD", keys.reserving(reserved.queue), reserved["until"], entry.id)
  end
  entry.record.reserved, entry.is_changed = reserved, true
end

-- Sets the record of a throttle, or deletes it.
function throttles.set(s, id, record)
  local entry = throttles.get(s, id)
  if record and not entry.record then
    redis.call("ZADD", keys.throttles(), s.now_text, id)
  elseif not record then
    if entry.record then
      throttles.set_reservation(entry, nil)
    end
    redis.call("ZREM", keys.throttles(), id)
    redis.call("DEL", keys.throttle_record(id))
  end
  entry.record, entry.is_changed, entry.free_slots = record, record ~= nil, nil
end

function throttles.write(s)
  for id, entry in pairs(s.throttles) do
    if entry.is_changed and entry.record then
      redis.call("SET", keys.throttle_record(id), cmsgpack.pack(entry.record))
    end
  end
end

function throttles.is_limited(record)
  return record.concurrency or record.rate
end

-- The most that a job may cost of a throttle.
function throttles.burst(s, id)
  local record = throttles.get(s, id).record
  return record and record.burst or math.huge
end

-- The number of jobs that count for the concurrency of a throttle.
function throttles.holding(id)
  local queue = throttles.queue_of(id)
  if queue then
    return redis.call("ZCARD", keys.running(queue)) - redis.call("ZCARD", keys.excused(id))
  end
  return redis.call("ZCARD", keys.holders(id))
end

local function free_slots(entry)
  entry.free_slots = entry.free_slots or entry.record.concurrency - throttles.holding(entry.id)
  return entry.free_slots
end

local function is_blocked(s, record)
  return record.blocked_until and record.blocked_until > s.now
end

-- Whether no job at all can start: it is blocked, or all its slots are taken.
function throttles.is_closed(s, entry)
  local record = entry.record
  return record and (is_blocked(s, record) or (record.concurrency and free_slots(entry) < 1))
end

-- The reservation for another job, {jid, queue, until, cost}, or nil. A reservation does not count
-- while the queue of that job is paused, since it could not be used.
local function reserved_for_other(s, record, jid)
  local reserved = record.reserved
  if not reserved or reserved.jid == jid or reserved["until"] <= s.now then
    return nil
  end
  local packed = redis.call("HGET", keys.meta(), "paused:" .. reserved.queue)
  return not queue_lib.is_paused(s, packed) and reserved or nil
end

local function bucket_refusal(s, record, cost, reserved)
  if cost > record.burst + TOLERANCE then
    return "cost"
  end
  local needed = cost + (reserved and reserved.cost or 0)
  if record.tokens + TOLERANCE >= needed then
    return nil
  end
  local wait = (needed - record.tokens) * record.per / record.rate
  return "rate", needed <= record.burst and s.now + math.max(math.ceil(wait - TOLERANCE), 1) or nil
end

-- Why a job cannot have `cost` of a throttle now (blocked, concurrency, reserved, rate, cost), and
-- the instant from which time alone may change that; nil when it can.
function throttles.refusal(s, entry, jid, cost)
  local record = entry.record
  if not record then
    return nil
  elseif is_blocked(s, record) then
    return "blocked", record.blocked_until
  end
  local reserved = reserved_for_other(s, record, jid)
  if record.concurrency and free_slots(entry) < 1 then
    return "concurrency"
  elseif record.concurrency and reserved and free_slots(entry) < 2 then
    return "reserved"
  elseif record.rate then
    return bucket_refusal(s, record, cost, reserved)
  end
  return nil
end

-- Makes the task of a throttle due at an instant. The record keeps the earliest such instant, since
-- the task may also run sooner for another reason, when there may be no room yet.
function throttles.check_again_at(s, id, at)
  local entry = throttles.get(s, id)
  local known = entry.record.again
  if not known or at < known then
    entry.record.again, entry.is_changed = at, true
  end
  queue_lib.set_due("throttle:" .. id, at)
end

-- Takes what a job costs.
function throttles.pay(entry, cost)
  local record = entry.record
  if record and record.rate then
    record.tokens = record.tokens - cost
    entry.is_changed = true
  end
  if entry.free_slots then
    entry.free_slots = entry.free_slots - 1
  end
end

-- What a job costs of one of its own throttles.
function throttles.cost(record, id)
  return record.costs and record.costs[id] or 1
end

-- Reserves room for a job that was refused too often. Throttles are taken in one order by all jobs,
-- so that two jobs never wait for each other. Each further time the reservation lasts twice as
-- long, until it outlasts the jobs that hold the slots.
function throttles.reserve(s, job)
  local record = job.record
  local doubled = math.min(record.passed - limits.refusals, 5)
  local ends = s.now + limits.reservation * 2 ^ doubled
  local ids = { unpack(record.throttles) }
  table.sort(ids)
  for _, id in ipairs(ids) do
    local entry = throttles.get(s, id)
    if entry.record then
      if reserved_for_other(s, entry.record, job.jid) or entry.record.concurrency == 0 then
        return
      end
      throttles.set_reservation(entry, { jid = job.jid, queue = record.queue, ["until"] = ends,
        cost = throttles.cost(record, id) })
      queue_lib.set_due("throttle:" .. id, ends)
    end
  end
end

-- Whether room of a throttle is reserved for this job.
function throttles.is_reserved_for(s, id, job)
  local record = throttles.get(s, id).record
  return record and record.reserved and record.reserved.jid == job.jid
end

-- Gives up the reservations of a job; returns the throttles concerned.
function throttles.unreserve(s, job)
  local found = {}
  for _, id in ipairs(job.record.throttles or {}) do
    if throttles.is_reserved_for(s, id, job) then
      throttles.set_reservation(throttles.get(s, id), nil)
      found[#found + 1] = id
    end
  end
  job.record.passed = nil
  return found
end

return throttles
