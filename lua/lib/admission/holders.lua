-- The jobs that hold slots of a throttle: every running job with a user or throttles, even where
-- those have no limit yet. Slots of a queue's own throttle are held by its running jobs, except
-- excused ones.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local subqueues = require("lib.admission.subqueues")
local throttle_wakeup = require("lib.admission.throttle_wakeup")
local throttles = require("lib.admission.throttles")

local holders = {}

-- Forgets the number of free slots counted in this call.
local function forget_count(s, id)
  if s.throttles and s.throttles[id] then
    s.throttles[id].free_slots = nil
  end
end

-- Wakes a worker when a job has left running in a queue with a throttle of its own, even if that
-- was set after the job started. Only a concurrency has slots; a rate makes jobs wait for an
-- instant.
function holders.wake_queue(s, queue)
  local id = "queue:" .. queue
  forget_count(s, id)
  local record = throttles.get(s, id).record
  if record and record.concurrency and subqueues.has_work(queue) then
    queue_lib.wake(queue)
  end
end

-- Returns the slots of a job that no longer runs.
function holders.return_slots(s, job)
  local record = job.record
  for _, id in ipairs(throttles.held_by(record)) do
    if redis.call("ZREM", keys.holders(id), job.jid) == 1 then
      forget_count(s, id)
      throttle_wakeup.slot_returned(s, id)
    end
  end
  if record.excused then
    redis.call("ZREM", keys.excused("queue:" .. record.queue), job.jid)
    record.excused = nil
  end
end

-- Takes a slot of a throttle from a running job; returns whether it held one.
local function take_slot(s, id, job)
  if job.record.state ~= "running" then
    return false
  elseif not throttles.queue_of(id) then
    return redis.call("ZREM", keys.holders(id), job.jid) == 1
  end
  return throttles.queue_of(id) == job.record.queue
    and redis.call("ZADD", keys.excused(id), "NX", s.now_text, job.jid) == 1
end

-- Takes slots from jobs that keep running; returns the number of jobs.
function holders.revoke_slots(s, id, jids)
  local number = 0
  for _, job in ipairs(job_lib.find_all(jids)) do
    if job and take_slot(s, id, job) then
      local excused = job.record.excused or {}
      excused[#excused + 1] = id
      job.record.excused = excused
      job_lib.save(job)
      number = number + 1
    end
  end
  if number > 0 then
    forget_count(s, id)
    throttle_wakeup.open(s, id)
  end
  return number
end

return holders
