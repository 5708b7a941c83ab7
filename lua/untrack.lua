-- untrack(now, request, jid) -> whether it was tracked
-- Ends the tracking of a job; also removes the tracking entry of a job that is gone.
-- Errors: BADARG NOJOB
-- Events: untrack
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local removal = require("lib.job.removal")
local session = require("lib.core.session")

local now, request, jid = unpack(ARGV)
check.name("jid", jid)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = job_lib.find(jid)
local tracked = redis.call("ZSCORE", keys.tracked(), jid)
if not job and not tracked then
  errors.no_job(jid)
end

removal.untrack(jid)
if job then
  job.record.tracked = nil
  job_lib.save(job)
end
events.log(s, "untrack", jid, job and job.record.queue)
session.publish(s, "untrack", jid)

return session.close(s, tracked and true or false)
