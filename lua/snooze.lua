-- snooze(now, request, jid, lease, delay) -> due
-- Schedules a running job for after a delay; it loses no retry.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: snoozed
-- Flags: allow-oom

local check = require("lib.core.check")
local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local leave_state = require("lib.job.leave_state")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")

local now, request, jid, lease, delay = unpack(ARGV)
local wait = check.integer("delay", delay, 1, 3155760000000)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)

local queue, worker = job.record.queue, job.record.worker
leave_state.leave(s, job)
history.add(job, s, "snoozed", { due = s.now + wait })
queue_lib.to_scheduled(s, job, queue, s.now + wait)
if job.record.unique then
  require("lib.job.unique").adjust(s, job)
end
job_lib.save(job)
events.log(s, "snoozed", jid, queue, nil, job.record.klass, worker)

return session.close(s, s.now + wait)
