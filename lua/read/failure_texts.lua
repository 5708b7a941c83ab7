-- failure_texts(now, group, offset, count) -> {total, looked_at, jobs}
-- Reads what the failed jobs of a group failed with, newest first: each is [jid, klass, queue,
-- worker, failed_at, message]. A message of more than 4,000 bytes lacks its middle. The page ends
-- early once a megabyte was read.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local now, group, offset, count = unpack(ARGV)
check.line("group", group)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.small_page)
session.read(now)

local function shown(message)
  if type(message) ~= "string" then
    return ""
  elseif #message <= limits.failure_shown then
    return message
  end
  return string.sub(message, 1, 500) .. "\n…\n" .. string.sub(message, 510 - limits.failure_shown)
end

local key = keys.failed_group(group)
local jids = size > 0 and redis.call("ZREVRANGE", key, from, from + size - 1) or {}
local jobs, looked_at, budget = {}, 0, limits.failures_read
for _, jid in ipairs(jids) do
  if budget <= 0 then
    break
  end
  looked_at = looked_at + 1
  local job = job_lib.find(jid)
  local packed = job and redis.call("GET", keys.failure(jid))
  if packed then
    budget = budget - #packed
    local record, failure = job.record, stored.unpack(packed) or {}
    jobs[#jobs + 1] = { jid, record.klass, record.queue, failure.worker or "",
      record.failed_at or 0, shown(failure.message) }
  end
end

return cmsgpack.pack({ total = redis.call("ZCARD", key), looked_at = looked_at, jobs = jobs })
