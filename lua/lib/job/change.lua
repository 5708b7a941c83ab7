-- Changes of single jobs that several scripts make.

local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local leave_state = require("lib.job.leave_state")
local queue_lib = require("lib.queue.queue")
local subqueues = require("lib.admission.subqueues")

local change = {}

local READY = { waiting = true, stalled = true, throttled = true }

-- Takes a running job from its worker and puts it, as stalled, before everything else in its queue.
function change.time_out(s, job)
  history.add(job, s, "timed-out", { worker = job.record.worker, reason = "timeout" })
  events.lost(s, job, "lock_lost")
  leave_state.leave(s, job)
  queue_lib.to_front(s, job, "timed_out")
  if job.record.unique then
    require("lib.job.unique").adjust(s, job)
  end
  job_lib.save(job)
end

-- Changes the priority; a job that is ready keeps its age.
function change.set_priority(job, number)
  job.record.priority = number ~= 0 and number or nil
  if READY[job.record.state] then
    subqueues.reorder(job)
  end
  job_lib.save(job)
end

return change
