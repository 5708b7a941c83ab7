-- Adjusts a namespace after the server's clock was set back by more than a wobble. The clock is
-- believed. Every lease is shortened to its full length from now, a few leases per call, until a
-- whole round has shortened none.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease = require("lib.job.lease")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")

local clock_set_back = {}

local FIELDS = { "rewind_queue", "rewind_rank", "rewind_cuts", "rewind_throttle" }

local function store_position(queue, rank, all_shortened)
  redis.call("HSET", keys.meta(), FIELDS[1], queue, FIELDS[2], rank, FIELDS[3], all_shortened)
end

-- Makes every task of the namespace due now: this goes over the queues in steps.
function clock_set_back.restore_tasks(s)
  store_position(0, 0, 0)
  redis.call("HDEL", keys.meta(), FIELDS[4])
  redis.call("ZADD", keys.due(), s.now, "rewind", s.now, "sweep", s.now, "releases", s.now,
    "refill")
end

function clock_set_back.begin(s)
  clock_set_back.restore_tasks(s)
  session.publish(s, "log", '{"event":"clock_set_back","to":' .. string.format("%.0f", s.now)
    .. "}")
end

local function shorten(s, queue, jid, score, length)
  local longest = s.now + length
  local job = score > longest and job_lib.find(jid)
  if not job or job.record.state ~= "running" then
    return 0
  end
  redis.call("ZADD", keys.running(queue), longest, jid)
  if not job.record.grace then
    redis.call("ZADD", keys.worker_jobs(job.record.worker), longest, jid)
  end
  queue_lib.set_due("leases:" .. queue, longest)
  return 1
end

-- Shortens leases of one queue, beginning at `rank` in order of their ends, the latest first.
-- Returns how many were looked at and how many were shortened.
local function shorten_some(s, queue, rank, budget)
  local found = redis.call("ZREVRANGE", keys.running(queue), rank, rank + budget - 1, "WITHSCORES")
  local length, number = lease.length_of(queue), 0
  for i = 1, #found, 2 do
    number = number + shorten(s, queue, found[i], tonumber(found[i + 1]), length)
  end
  return #found / 2, number
end

-- Makes the tasks of a queue due now: those that were due at a time now in the future would not run
-- until then.
local function make_tasks_due(s, queue)
  redis.call("ZADD", keys.due(), "LT", s.now, "leases:" .. queue, s.now, "scheduled:" .. queue,
    s.now, "recurring:" .. queue, s.now, "pause:" .. queue)
end

-- Throttles come after the queues. Returns whether all are done.
local function adjust_throttles(s, rank, budget)
  local ids = redis.call("ZRANGE", keys.throttles(), rank, rank + budget - 1)
  for _, id in ipairs(ids) do
    require("lib.admission.throttle_settings").adjust_to_clock(s, id)
  end
  if #ids < budget then
    redis.call("HDEL", keys.meta(), unpack(FIELDS))
    return true
  end
  redis.call("HSET", keys.meta(), FIELDS[4], rank + budget)
  return false
end

-- Does one step; returns whether all is done. Shortened leases have moved down in the order, so the
-- rank advances only by the others. A round that shortened a lease is followed by another one.
function clock_set_back.step(s, budget)
  local state = redis.call("HMGET", keys.meta(), unpack(FIELDS))
  local at, rank = tonumber(state[1]) or 0, tonumber(state[2]) or 0
  local all_shortened = tonumber(state[3]) or 0
  local queue = redis.call("ZRANGE", keys.queues(), at, at)[1]
  if not queue then
    return adjust_throttles(s, tonumber(state[4]) or 0, budget)
  end
  local looked_at, shortened = shorten_some(s, queue, rank, budget)
  all_shortened = all_shortened + shortened
  if looked_at == budget then
    store_position(at, rank + looked_at - shortened, all_shortened)
  elseif all_shortened > 0 then
    store_position(at, 0, 0)
  else
    make_tasks_due(s, queue)
    store_position(at + 1, 0, 0)
  end
  return false
end

return clock_set_back
