-- release(now, request, jid, lease) -> state
-- Returns a running job to its queue unchanged: it keeps its age and loses no retry.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: released
-- Flags: allow-oom

local events = require("lib.core.events")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local reclaim = require("lib.job.reclaim")
local session = require("lib.core.session")

local now, request, jid, lease = unpack(ARGV)

local s, again = session.open(now, request)
if again then
  return again
end
local job = lease_lib.load(jid, lease)

job_lib.note(job, s, "released")
reclaim.hand_back(s, job)
job_lib.save(job)
events.log(s, "released", jid, job.record.queue)

return session.close(s, job.record.state)
