-- blocked(now, queue, offset, count) -> {total, looked_at, jobs: [[jid, parent]]}
-- Shows which of a page of the jobs that wait for others wait for one that has failed, and one such
-- parent of each. Looks at fewer jobs than asked for if they have many parents.
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

-- The first of these jobs that has failed, or nil.
local function first_failed(jids)
  for at = 1, #jids, limits.call do
    local some = { unpack(jids, at, math.min(at + limits.call - 1, #jids)) }
    for i, job in ipairs(job_lib.find_all(some)) do
      if job and job.record.state == "failed" then
        return some[i]
      end
    end
  end
  return nil
end

local key = keys.depends(queue)
local jids = size > 0 and redis.call("ZRANGE", key, from, from + size - 1) or {}
local shown, looked_at, budget = {}, 0, limits.edges
for _, jid in ipairs(jids) do
  local parents = redis.call("SMEMBERS", keys.dependencies(jid))
  budget = budget - #parents
  if budget < 0 and looked_at > 0 then
    break
  end
  looked_at = looked_at + 1
  local parent = first_failed(parents)
  if parent then
    shown[#shown + 1] = { jid, parent }
  end
end

return cmsgpack.pack({ total = redis.call("ZCARD", key), looked_at = looked_at, jobs = shown })
