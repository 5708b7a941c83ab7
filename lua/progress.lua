-- progress(now, request, jid, lease, data) -> true
-- Stores the progress of a running job and publishes that there is some.
-- Errors: BADARG TOOLARGE NOJOB LOSTLEASE FINISHED
-- Events: progress
-- Flags: allow-oom

local check = require("lib.core.check")
local events = require("lib.core.events")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease_lib = require("lib.job.lease")
local session = require("lib.core.session")

local now, request, jid, lease, data = unpack(ARGV)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
check.data(s, data)
local job = lease_lib.load(jid, lease)

redis.call("SET", keys.progress(jid), data)
if not job.record.has_progress then
  job.record.has_progress = true
  job_lib.save(job)
end
events.log(s, "progress", jid, job.record.queue, nil, job.record.klass, job.record.worker)

return session.close(s, true)
