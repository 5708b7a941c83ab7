-- worker(now, worker, offset, count, text) -> {jobs, stalled, seen_at, info, report}
-- Pages through the jobs of one worker; those with an expired lease are listed apart, as stalled.
-- The report is a list of names and values: the last command (asked, asked_at), and what the worker
-- reported of it (done, done_at, text). At most `text` bytes of its text are sent.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, worker, offset, count, text = unpack(ARGV)
check.name("worker", worker)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
local shown = check.integer("text", text, 0, 2 ^ 52)
local s = session.read(now)

local key = keys.worker_jobs(worker)
local lapsed = redis.call("ZRANGEBYSCORE", key, "-inf", s.now, "LIMIT", from, size)
local held = redis.call("ZRANGEBYSCORE", key, "(" .. string.format("%.0f", s.now), "+inf",
  "LIMIT", from, size)
local info = redis.call("GET", keys.worker_info(worker))
local report = redis.call("HGETALL", keys.worker_report(worker))
for i = 2, #report, 2 do
  if report[i - 1] == "text" then
    report[i] = string.sub(report[i], 1, shown)
  end
end

return cmsgpack.pack({
  jobs = held,
  stalled = lapsed,
  seen_at = tonumber(redis.call("ZSCORE", keys.workers(), worker) or nil),
  info = info or nil,
  report = report[1] and report or nil,
})
