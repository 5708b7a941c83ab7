-- worker_died(now, request, worker, nonce, started, cause, started...) -> report
-- Reports that a worker process has died: its jobs return to their queues at once. Those that had
-- started (all, if none is named) lose a retry and are charged with a crash; the others lose
-- nothing. The report is {charged, returned, failed, more}.
-- Errors: BADARG
-- Events: lock_lost failed canceled put conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local crash = require("lib.job.crash")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")
local session = require("lib.core.session")

local now, request, worker, nonce, started, cause = unpack(ARGV, 1, 6)
check.name("worker", worker)
check.name("nonce", nonce)
check.text("cause", cause, 1024)
local named = started ~= ""
  and check.names("started", { started, unpack(ARGV, 7) }, 1, limits.call)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

redis.call("ZADD", keys.dead(), s.now, nonce)
local report = { charged = {}, returned = {}, failed = {} }
local jobs, more = crash.jobs_of(worker, nonce, named or {})
local had_started = named and lists.set(named)
for _, job in ipairs(jobs) do
  crash.handle(s, job, { started = had_started, cause = cause }, report)
end
report.more = more
require("lib.job.releases").drain_some(s)

return session.close(s, report)
