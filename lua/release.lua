-- release(now, request, jid, lease) -> state
-- Returns a running job to its queue unchanged: to the place where it was popped, also if that was
-- before all others after a lost lease or a timeout; it loses no retry.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: released
-- Flags: allow-oom

local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local reclaim = require("lib.job.reclaim")
local session = require("lib.core.session")

local now, request, jid, lease = unpack(ARGV)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)
local worker = job.record.worker

history.add(job, s, "released")
reclaim.return_unchanged(s, job)
job_lib.save(job)
events.log(s, "released", jid, job.record.queue, nil, job.record.klass, worker)

return session.close(s, job.record.state)
