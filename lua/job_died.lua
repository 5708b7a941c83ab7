-- job_died(now, request, jid, lease, cause) -> state
-- Reports that the process of one job has died while its worker lives on. The job returns to its
-- queue at once, loses a retry and is charged with a crash.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: lock_lost failed canceled put conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local crash = require("lib.job.crash")
local lease_lib = require("lib.job.lease")
local session = require("lib.core.session")

local now, request, jid, lease, cause = unpack(ARGV)
check.text("cause", cause, 1024)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)

crash.handle(s, job, { started = { [jid] = true }, cause = cause },
  { charged = {}, returned = {}, failed = {} })
require("lib.job.releases").drain_some(s)

return session.close(s, job.record.state)
