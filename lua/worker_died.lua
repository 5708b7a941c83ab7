-- worker_died(now, request, worker, nonce, started, cause) -> {charged, returned, failed, more}
-- Reports the death of a worker process: what it held goes back at once. The job that had started
-- (all of them when none is named) pays a retry and counts a crash, the others pay nothing.
-- Errors: BADARG
-- Events: lock_lost failed canceled put
-- Flags: allow-oom

local check = require("lib.check")
local crash = require("lib.crash")
local keys = require("lib.keys")
local session = require("lib.session")

local now, request, worker, nonce, started, cause = unpack(ARGV)
check.name("worker", worker)
check.name("nonce", nonce)
check.text("cause", cause, 1024)
if started ~= "" then
  check.name("started", started)
end

local s, again = session.open(now, request)
if again then
  return again
end

redis.call("ZADD", keys.dead(), s.now, nonce)
local report = { charged = {}, returned = {}, failed = {} }
local jobs, more = crash.jobs_of(worker, nonce, started)
for _, job in ipairs(jobs) do
  crash.handle(s, job, { started = started, cause = cause }, report)
end
report.more = more
require("lib.releases").after(s)

return session.close(s, report)
