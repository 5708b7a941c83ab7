-- unfail(now, request, queue, group, count) -> number of jobs
-- Retries the oldest failed jobs of a group in a queue, with all their retries.
-- Errors: BADARG
-- Events: put
-- Flags: allow-oom

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local revive = require("lib.job.revive")
local session = require("lib.core.session")

local now, request, queue, group, count = unpack(ARGV)
check.name("queue", queue)
check.line("group", group)
local wanted = check.integer("count", count, 1, limits.call)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local jids, number = redis.call("ZRANGE", keys.failed_group(group), 0, wanted - 1), 0
for i, job in ipairs(job_lib.find_all(jids)) do
  if job and job.record.state == "failed" then
    revive.retry_failed(s, job, queue)
    number = number + 1
  else
    redis.call("ZREM", keys.failed_group(group), jids[i])
  end
end

return session.close(s, number)
