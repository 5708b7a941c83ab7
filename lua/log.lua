-- log(now, request, jid, lease, what, data) -> true
-- Adds an entry to the history of a job. If a lease is given it must be valid.
-- Errors: BADARG TOOLARGE NOJOB LOSTLEASE FINISHED
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local session = require("lib.core.session")

local now, request, jid, lease, what, data = unpack(ARGV)
check.name("jid", jid)
check.line("what", what)
check.text("lease", lease, 200)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
check.data(s, data)
local job = lease ~= "" and lease_lib.load(jid, lease) or job_lib.load(jid)

history.add_large(job, s, what, data ~= "" and { data = data } or nil)
job_lib.save(job)

return session.close(s, true)
