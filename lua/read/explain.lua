-- explain(now, jid) -> {jid, state, queue, now, reasons}
-- Explains why a job is not running. Each reason is a map with a kind: paused, scheduled, depends,
-- throttled, behind, unasked, expired. For a job that runs, has ended or recurs the one reason
-- shows that: running, failed, complete, recurring. At most 100 other jobs are named.
-- Errors: BADARG NOJOB
-- Events: none

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local explain = require("lib.job.explain")
local job_lib = require("lib.job.job")
local session = require("lib.core.session")
local view = require("lib.job.view")

local now, jid = unpack(ARGV)
check.name("jid", jid)
local s = session.read(now)

local job = job_lib.find(jid)
local shown = not job and view.of(s, jid)
if not job and not shown then
  errors.no_job(jid)
end

local found
if job then
  found = explain.job(s, job)
else
  job = job_lib.parse(jid, shown.recurring)
  found = explain.recurring(job, shown.next)
end

return cmsgpack.pack({
  jid = jid,
  state = job.record.state,
  queue = job.record.queue,
  now = s.now,
  reasons = found,
})
