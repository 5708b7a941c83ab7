-- fail(now, request, jid, lease, group, message, data) -> jid
-- Fails a running job into a failure group, where it stays until somebody retries or cancels it.
-- Errors: BADARG TOOLARGE NOJOB LOSTLEASE FINISHED
-- Events: failed canceled put conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local failing = require("lib.job.failing")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local leave_state = require("lib.job.leave_state")
local session = require("lib.core.session")

local now, request, jid, lease, group, message, data = unpack(ARGV)
check.line("group", group)
check.text("message", message, 65536)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)
check.data(s, data)

local worker = job.record.worker
leave_state.leave(s, job)
history.add(job, s, "failed", { worker = worker, group = group })
if data ~= "" then
  job_lib.set_data(job, data)
end
failing.fail(s, job, group, message, worker)
job_lib.save(job)
if s.has_releases then
  require("lib.job.releases").drain_some(s)
end

return session.close(s, jid)
