-- force_finish(now, request, jid, result) -> state
-- Completes a job in whatever state it is. A worker that runs it loses its lease.
-- Errors: BADARG TOOLARGE NOJOB FINISHED
-- Events: lock_lost completed put failed canceled conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local completion = require("lib.job.completion")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local leave_state = require("lib.job.leave_state")
local session = require("lib.core.session")
local stats = require("lib.stats.stats")

local now, request, jid, result = unpack(ARGV)
check.name("jid", jid)

local s, earlier_reply = session.open(now, request, "config:jobs-history",
  "config:jobs-history-count")
if earlier_reply then
  return earlier_reply
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
leave_state.leave(s, job)
if had_failed then
  require("lib.batch.batches").rejoin(job, "failed")
end
history.add(job, s, "force-finished")
job_lib.set_result(job, result)
-- A completion counts for its klass by the time that the job ran, which is unknown here.
stats.add_klass(s, job.record.klass, "forced", 1)
completion.finish(s, job)
completion.clean_up(s, 1)

return session.close(s, "complete")
