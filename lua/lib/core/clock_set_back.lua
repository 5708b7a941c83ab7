-- Adjusts a namespace after the server's clock was set back by more than a wobble. The clock is
-- believed, and what was counted from a time that is now in the future is counted from now: leases,
-- delays, pauses, unique windows, recurring jobs. A few are adjusted per call, in this order: the
-- list of queues gets those back that were forgotten and still have something to do; each queue;
-- windows; throttles. The leases of a queue are gone over until a whole round has shortened none.

local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease = require("lib.job.lease")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local clock_set_back = {}

-- The position. `rewind_part` is what is adjusted of the queue at hand, `rewind_by` by how much the
-- clock was set back, `rewind_scan` where the search for forgotten queues has come to ("": done).
local FIELDS = { "rewind_queue", "rewind_rank", "rewind_cuts", "rewind_throttle", "rewind_part",
  "rewind_by", "rewind_scan", "rewind_window" }

local QUEUE_TASKS = { leases = true, scheduled = true, recurring = true, pause = true }

local function store_position(queue, rank, all_shortened, part)
  redis.call("HSET", keys.meta(), FIELDS[1], queue, FIELDS[2], rank, FIELDS[3], all_shortened,
    FIELDS[5], part or "leases")
end

-- Makes every task of the namespace due now: this goes over the queues in steps.
function clock_set_back.restore_tasks(s)
  store_position(0, 0, 0)
  redis.call("HDEL", keys.meta(), FIELDS[4], FIELDS[8])
  redis.call("HSET", keys.meta(), FIELDS[7], "0")
  redis.call("ZADD", keys.due(), s.now, "rewind", s.now, "sweep", s.now, "releases", s.now,
    "refill")
end

function clock_set_back.begin(s)
  -- If the clock was set back already and not all is adjusted to that, the steps add up.
  local before = tonumber(redis.call("HGET", keys.meta(), FIELDS[6])) or 0
  redis.call("HSET", keys.meta(), FIELDS[6],
    string.format("%.0f", before + s.last_time - s.now))
  clock_set_back.restore_tasks(s)
  session.publish(s, "log", '{"event":"clock_set_back","to":' .. string.format("%.0f", s.now)
    .. "}")
end

-- Lists queues again that were forgotten although maintenance has something to do there.
local function relist_queues(s, cursor, budget)
  local reply = redis.call("ZSCAN", keys.due(), cursor, "COUNT", budget)
  for i = 1, #reply[2], 2 do
    local kind, queue = string.match(reply[2][i], "^(%l+):(.+)$")
    if QUEUE_TASKS[kind] then
      queue_lib.list(s, queue)
    end
  end
  redis.call("HSET", keys.meta(), FIELDS[7], reply[1] == "0" and "" or reply[1])
end

local function shorten(s, queue, jid, score)
  local longest = s.now + lease.length_of(queue)
  local job = score > longest and job_lib.find(jid)
  if not job or job.record.state ~= "running" then
    return false
  end
  redis.call("ZADD", keys.running(queue), longest, jid)
  if not job.record.grace then
    redis.call("ZADD", keys.worker_jobs(job.record.worker), longest, jid)
  end
  queue_lib.set_due("leases:" .. queue, longest)
  return true
end

-- Counts a delay from now that was counted from an instant now in the future.
local function advance_due(s, queue, jid, due)
  local job = job_lib.find(jid)
  local entries = job and job.record.state == "scheduled" and history.entries(job.record) or {}
  local from = #entries > 0 and tonumber(entries[#entries][2]) or 0
  if from <= s.now then
    return false
  end
  job.record.due = math.max(s.now + due - from, s.now)
  redis.call("ZADD", keys.scheduled(queue), job.record.due, jid)
  job_lib.save(job)
  return true
end

-- What is adjusted of a queue, in this order.
local PARTS = {
  leases = { key = keys.running, adjust = shorten, next = "recurring" },
  recurring = {
    key = keys.queue_recurring,
    adjust = function(s, _, jid, _, by)
      return require("lib.recurring.clock_adjustment").adjust(s, jid, by)
    end,
    next = "scheduled",
  },
  scheduled = { key = keys.scheduled, adjust = advance_due },
}

-- Adjusts entries of one queue, beginning at `rank`, the latest first. Returns how many were looked
-- at and how many were moved: those have moved down in the order.
local function adjust_some(s, queue, part, rank, budget, by)
  local key, moved = part.key(queue), 0
  local found = redis.call("ZREVRANGE", key, rank, rank + budget - 1, "WITHSCORES")
  for i = 1, #found, 2 do
    moved = moved + (part.adjust(s, queue, found[i], tonumber(found[i + 1]), by) and 1 or 0)
  end
  return #found / 2, moved
end

-- Counts the length of a pause from now.
local function adjust_pause(s, queue)
  local packed = redis.call("HGET", keys.meta(), "paused:" .. queue)
  local pause = packed and stored.unpack(packed)
  if pause and pause["until"] and pause.since and pause.since > s.now then
    pause["until"], pause.since = s.now + pause["until"] - pause.since, s.now
    redis.call("HSET", keys.meta(), "paused:" .. queue, cmsgpack.pack(pause))
  end
end

-- Makes the tasks of a queue due now: those that were due at a time now in the future would not run
-- until then.
local function make_tasks_due(s, queue)
  adjust_pause(s, queue)
  redis.call("ZADD", keys.due(), "LT", s.now, "leases:" .. queue, s.now, "scheduled:" .. queue,
    s.now, "recurring:" .. queue, s.now, "pause:" .. queue)
end

-- One step in one queue, that at position `at` of the list; returns the budget that is left.
local function adjust_queue(s, queue, at, state, budget)
  local rank, all_moved = tonumber(state[2]) or 0, tonumber(state[3]) or 0
  local name = PARTS[state[5]] and state[5] or "leases"
  local part = PARTS[name]
  local looked_at, moved = adjust_some(s, queue, part, rank, budget, tonumber(state[6]) or 0)
  all_moved = all_moved + moved
  if looked_at == budget then
    -- Entries that were moved are behind; the rank advances only by the others.
    store_position(at, rank + looked_at - moved, all_moved, name)
  elseif name == "leases" and all_moved > 0 then
    store_position(at, 0, 0)
  elseif part.next then
    store_position(at, 0, 0, part.next)
  else
    make_tasks_due(s, queue)
    store_position(at + 1, 0, 0)
  end
  return budget - looked_at - 1
end

-- Windows come after the queues.
local function adjust_windows(s, rank, budget)
  local names = redis.call("ZREVRANGE", keys.windows(), rank, rank + budget - 1)
  local moved = 0
  for _, name in ipairs(names) do
    moved = moved + (require("lib.job.unique").adjust_window(s, name) and 1 or 0)
  end
  redis.call("HSET", keys.meta(), FIELDS[8], #names < budget and "" or rank + #names - moved)
end

-- Throttles come last. Returns whether all are done.
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

-- Does one step; returns whether all is done.
function clock_set_back.step(s, budget)
  local state = redis.call("HMGET", keys.meta(), unpack(FIELDS))
  if state[7] and state[7] ~= "" then
    relist_queues(s, state[7], budget)
    return false
  end
  local at = tonumber(state[1]) or 0
  local queue = redis.call("ZRANGE", keys.queues(), at, at)[1]
  if queue then
    local left = adjust_queue(s, queue, at, state, budget)
    return left > 0 and clock_set_back.step(s, left)
  elseif state[8] ~= "" then
    adjust_windows(s, tonumber(state[8]) or 0, budget)
    return false
  end
  return adjust_throttles(s, tonumber(state[4]) or 0, budget)
end

return clock_set_back
