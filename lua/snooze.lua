-- snooze(now, request, jid, lease, delay) -> due
-- Gives a running job back until a delay is over, and spends no retry.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: snoozed
-- Flags: allow-oom

local check = require("lib.check")
local events = require("lib.events")
local job_lib = require("lib.job")
local lease_lib = require("lib.lease")
local leaving = require("lib.leaving")
local queue_lib = require("lib.queue")
local session = require("lib.session")

local now, request, jid, lease, delay = unpack(ARGV)
local wait = check.integer("delay", delay, 1, 3155760000000)

local s, again = session.open(now, request)
if again then
  return again
end
local job = lease_lib.load(jid, lease)

local queue = job.record.queue
leaving.from_place(s, job)
job_lib.note(job, s, "snoozed")
queue_lib.to_scheduled(s, job, queue, s.now + wait)
if job.record.unique then
  require("lib.unique").settle(s, job)
end
job_lib.save(job)
events.log(s, "snoozed", jid, queue)

return session.close(s, s.now + wait)
