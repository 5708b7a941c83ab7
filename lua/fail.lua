-- fail(now, request, jid, lease, group, message, data) -> jid
-- Fails a running job into a failure group, where it stays until somebody looks.
-- Errors: BADARG TOOLARGE NOJOB LOSTLEASE FINISHED
-- Events: failed canceled put
-- Flags: allow-oom

local check = require("lib.check")
local failing = require("lib.failing")
local job_lib = require("lib.job")
local lease_lib = require("lib.lease")
local leaving = require("lib.leaving")
local session = require("lib.session")

local now, request, jid, lease, group, message, data = unpack(ARGV)
check.line("group", group)
check.text("message", message, 65536)

local s, again = session.open(now, request)
if again then
  return again
end
local job = lease_lib.load(jid, lease)
check.data(s, data)

local worker = job.record.worker
leaving.from_place(s, job)
job_lib.note(job, s, "failed", { worker = worker, group = group })
if data ~= "" then
  job_lib.set_data(job, data)
end
failing.fail(s, job, group, message, worker)
job_lib.save(job)
if s.released then
  require("lib.releases").after(s)
end

return session.close(s, jid)
