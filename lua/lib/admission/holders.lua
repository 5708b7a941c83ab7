-- Who holds a slot of a throttle: every running job that has a user or throttles, also where they
-- have no limit yet. For the throttle of a queue those are its running jobs but the excused ones.

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local queue_lib = require("lib.queue.queue")
local subqueues = require("lib.admission.subqueues")
local throttle_wakeup = require("lib.admission.throttle_wakeup")
local throttles = require("lib.admission.throttles")

local holders = {}

-- The throttles of which a job holds a slot while it runs, that of its queue left out.
function holders.ids(record)
  local ids = { unpack(record.throttles or {}) }
  ids[#ids + 1] = record.user and "user:" .. record.user
  return ids
end

-- What was counted in this call is not true any more.
local function recount(s, id)
  if s.throttles and s.throttles[id] then
    s.throttles[id].free = nil
  end
end

-- A job of a queue that has a throttle of its own has left running, whether that throttle was set
-- before it started or since. A rate has no slots: its jobs wait for an instant.
function holders.leave_queue(s, queue)
  local id = "queue:" .. queue
  recount(s, id)
  local record = throttles.get(s, id).record
  if record and record.concurrency and subqueues.has_work(queue) then
    queue_lib.wake(queue)
  end
end

-- A job that no longer runs gives back what it held.
function holders.give_back(s, job)
  local record = job.record
  for _, id in ipairs(holders.ids(record)) do
    if redis.call("ZREM", keys.holders(id), job.jid) == 1 then
      recount(s, id)
      throttle_wakeup.slot(s, id)
    end
  end
  if record.excused then
    redis.call("ZREM", keys.excused("queue:" .. record.queue), job.jid)
    record.excused = nil
  end
end

-- Whether a job holds a slot of a throttle; then it is taken from it.
local function take_from(s, id, job)
  if job.record.state ~= "running" then
    return false
  elseif not throttles.queue_of(id) then
    return redis.call("ZREM", keys.holders(id), job.jid) == 1
  end
  return throttles.queue_of(id) == job.record.queue
    and redis.call("ZADD", keys.excused(id), "NX", s.now_text, job.jid) == 1
end

-- Takes the slots of jobs that go on running; returns of how many.
function holders.release(s, id, jids)
  local number = 0
  for _, job in ipairs(job_lib.find_all(jids)) do
    if job and take_from(s, id, job) then
      local excused = job.record.excused or {}
      excused[#excused + 1] = id
      job.record.excused = excused
      job_lib.save(job)
      number = number + 1
    end
  end
  if number > 0 then
    recount(s, id)
    throttle_wakeup.open(s, id)
  end
  return number
end

return holders
