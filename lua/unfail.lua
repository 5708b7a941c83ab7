-- unfail(now, request, queue, group, count) -> number of jobs
-- Puts the oldest failed jobs of a group into a queue, with all their retries.
-- Errors: BADARG
-- Events: put
-- Flags: allow-oom

local check = require("lib.check")
local events = require("lib.events")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local leaving = require("lib.leaving")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")
local stats = require("lib.stats")

local now, request, queue, group, count = unpack(ARGV)
check.name("queue", queue)
check.line("group", group)
local wanted = check.integer("count", count, 1, limits.call)

local s, again = session.open(now, request)
if again then
  return again
end

local function revive(job)
  local record = job.record
  leaving.from_place(s, job)
  require("lib.batches").rejoin(job, "failed")
  record.queue, record.put_at, record.crashes, record.tries = queue, s.now, nil, nil
  job_lib.set_left(job, record.retries)
  job_lib.note(job, s, "put", { queue = queue })
  if record.parents and redis.call("EXISTS", keys.dependencies(job.jid)) == 1 then
    queue_lib.to_depends(s, job, queue)
  else
    queue_lib.to_waiting(s, job, queue, s.now)
  end
  if record.unique then
    require("lib.unique").settle(s, job)
  end
  job_lib.save(job)
  stats.add(s, queue, "put", 1)
  events.log(s, "put", job.jid, queue)
  events.tracked(s, "put", job)
end

local jids = redis.call("ZRANGE", keys.group(group), 0, wanted - 1)
for i, job in ipairs(job_lib.find_all(jids)) do
  if job and job.record.state == "failed" then
    revive(job)
  else
    redis.call("ZREM", keys.group(group), jids[i])
  end
end

return session.close(s, #jids)
