-- force_finish(now, request, jid, result) -> state
-- Completes a job in whatever state it is; its worker, if any, has lost it.
-- Errors: BADARG TOOLARGE NOJOB FINISHED
-- Events: lock_lost completed put
-- Flags: allow-oom

local check = require("lib.check")
local completion = require("lib.completion")
local errors = require("lib.errors")
local events = require("lib.events")
local job_lib = require("lib.job")
local leaving = require("lib.leaving")
local session = require("lib.session")

local now, request, jid, result = unpack(ARGV)
check.name("jid", jid)

local s, again = session.open(now, request, "config:jobs-history", "config:jobs-history-count")
if again then
  return again
end
check.data(s, result)
local job = job_lib.load(jid)
if job.record.state == "complete" then
  errors.raise("FINISHED", "Job " .. jid .. " is complete already")
end

if job.record.state == "running" then
  events.lost(s, job, "lock_lost")
end
local had_failed = job.record.state == "failed"
leaving.from_place(s, job)
if had_failed then
  require("lib.batches").rejoin(job, "failed")
end
job_lib.note(job, s, "force-finished")
job_lib.set_result(job, result)
completion.finish(s, job)
completion.after(s, 1)

return session.close(s, "complete")
