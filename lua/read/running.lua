-- running(now, queue, offset, count) -> {total, jobs}
-- Pages through the jobs that run or have lost their lease, the one whose lease ends first in
-- front. Each is [jid, klass, worker, popped_at, hard_limit]; the last is 0 where there is none.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, queue, offset, count = unpack(ARGV)
check.name("queue", queue)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.call)
session.read(now)

local key = keys.running(queue)
local jids = size > 0 and redis.call("ZRANGE", key, from, from + size - 1) or {}
local shown = {}
for i, job in ipairs(job_lib.find_all(jids)) do
  local record = job and job.record
  if record and record.state == "running" then
    shown[#shown + 1] = { jids[i], record.klass, record.worker,
      record.popped_at or 0, record.hard_limit or 0 }
  end
end

return cmsgpack.pack({ total = redis.call("ZCARD", key), jobs = shown })
