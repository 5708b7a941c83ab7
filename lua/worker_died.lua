-- worker_died(now, request, worker, nonce, started, cause, started...) -> report
-- Reports the death of a worker process: what it held goes back at once. The jobs that had started
-- (all of them when none is named) pay a retry and count a crash, the others pay nothing. The
-- report is {charged, returned, failed, more}.
-- Errors: BADARG
-- Events: lock_lost failed canceled put
-- Flags: allow-oom

local check = require("lib.core.check")
local crash = require("lib.job.crash")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, request, worker, nonce, started, cause = unpack(ARGV, 1, 6)
check.name("worker", worker)
check.name("nonce", nonce)
check.text("cause", cause, 1024)
local guilty = started ~= ""
  and check.names("started", { started, unpack(ARGV, 7) }, 1, limits.call)

local s, again = session.open(now, request)
if again then
  return again
end

redis.call("ZADD", keys.dead(), s.now, nonce)
local report = { charged = {}, returned = {}, failed = {} }
local jobs, more = crash.jobs_of(worker, nonce, guilty or {})
local set = guilty and {}
for _, jid in ipairs(guilty or {}) do
  set[jid] = true
end
for _, job in ipairs(jobs) do
  crash.handle(s, job, { started = set, cause = cause }, report)
end
report.more = more
require("lib.job.releases").after(s)

return session.close(s, report)
