-- Takes jobs from queues for one pop. The table `pop` holds what it wants (wanted, worker, nonce),
-- what it got so far (jobs, held, wake), and has_more_work: whether other workers have something to
-- take.

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local lease = require("lib.job.lease")
local lease_out = require("lib.queue.lease_out")
local maintenance = require("lib.core.maintenance")
local queue_lib = require("lib.queue.queue")

local take = {}

-- Records of the queues that workers pop from: milliseconds after which a record is written again,
-- milliseconds for which it is kept, and how many are kept.
local RENEWED_AFTER, KEPT_FOR, MAX_LISTS = 10000, 3600000, 1000

-- The names of a plain list, to be tried in its order; nil for a list with patterns or options.
function take.plain_names(packed, options)
  if options.order or options.turn or options.weights then
    return nil
  end
  return check.plain_names("queues", packed)
end

-- The fields of meta that taking from these queues needs.
function take.meta_fields(names)
  local fields = { "config:heartbeat" }
  for _, name in ipairs(names) do
    fields[#fields + 1] = "paused:" .. name
    fields[#fields + 1] = "config:" .. name .. "-heartbeat"
    fields[#fields + 1] = "fair:" .. name
  end
  return fields
end

-- `virtual_time` is set where jobs have users or throttles, or the queue has a throttle of its own;
-- there lib.admission.admission chooses which jobs may run.
local function lease_jobs(s, pop, name, virtual_time)
  local own_length = s.meta["config:" .. name .. "-heartbeat"]
  local to = { worker = pop.worker, nonce = pop.nonce, held = pop.held,
    length = lease.length(own_length, s.meta["config:heartbeat"]) }
  local wanted = pop.wanted - #pop.jobs
  if virtual_time then
    require("lib.admission.admission").take(s, name, virtual_time, wanted, to, pop.jobs)
  else
    lease_out.in_order(s, name, wanted, to, pop.jobs)
  end
end

local function has_work(name, virtual_time)
  if virtual_time then
    return require("lib.admission.subqueues").has_work(name)
  end
  return redis.call("EXISTS", keys.waiting(name)) == 1
end

-- The virtual time of a queue with users or throttles, as text, or nil.
local function virtual_time_of(s, name)
  local text = s.meta["fair:" .. name] or (s.marked_queues and s.marked_queues[name] and "0")
  return text and (string.find(text, "^%d[%d.e+-]*$") and text or "0")
end

local function from_queue(s, pop, i, name)
  pop.wake[i] = keys.wake(name)
  if queue_lib.is_paused(s, s.meta["paused:" .. name]) then
    return
  end
  local virtual_time = virtual_time_of(s, name)
  if #pop.jobs < pop.wanted then
    lease_jobs(s, pop, name, virtual_time)
  end
  -- The marker that woke this worker is gone. While work is left, it is set to wake another worker.
  if #pop.jobs == pop.wanted and has_work(name, virtual_time) then
    queue_lib.wake(name)
    pop.has_more_work = true
  end
end

-- Takes from these queues in their order; their fields of meta have been read.
function take.from_queues(s, pop, names)
  for i, name in ipairs(names) do
    from_queue(s, pop, i, name)
  end
end

-- Records that a worker pops from these queues, so that read/explain can report whether a queue is
-- served. A pop that gets all it wants from its only queue is not recorded: running jobs show it.
function take.record_request(s, pop, queues, names)
  if #pop.jobs == pop.wanted and names and not names[2] then
    return
  end
  local seen = redis.call("ZSCORE", keys.served(), queues)
  if not seen or math.abs(s.now - tonumber(seen)) >= RENEWED_AFTER then
    redis.call("ZADD", keys.served(), s.now_text, queues)
    redis.call("ZREMRANGEBYSCORE", keys.served(), "-inf", s.now - KEPT_FOR)
    redis.call("ZREMRANGEBYRANK", keys.served(), 0, -1 - MAX_LISTS)
  end
end

-- The milliseconds until something becomes due, after the jobs were popped; `due` is what
-- maintenance.run returned before. Choosing jobs can find that some have expired, which releases
-- their dependents, can stop before all jobs were examined, and can add tasks of throttles.
function take.next_due(s, due)
  if not s.has_expired_jobs and not s.examine_budget then
    return due
  end
  if s.has_expired_jobs then
    require("lib.job.releases").drain_some(s)
  end
  if s.has_expired_jobs or s.has_more then
    return 0 -- An expired job took the place of one that could have been popped.
  end
  return s.examine_budget and maintenance.next(s) or due
end

return take
