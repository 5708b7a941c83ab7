-- The steps of a completion: out of running, then to its end or into the next queue.

local check = require("lib.check")
local dependencies = require("lib.dependencies")
local events = require("lib.events")
local finish = require("lib.finish")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")
local stats = require("lib.stats")

local completion = {}

local NEXT = { queue = true, delay = true, depends = true, on_parent_failed = true }

-- Checks where a job goes on; returns the parents that it will wait for.
function completion.check_next(s, job, options)
  check.map("next", options, NEXT)
  check.name("next queue", options.queue)
  check.delay("delay", options.delay or 0)
  check.one_of("on_parent_failed", options.on_parent_failed or "wait", dependencies.POLICIES)
  local parents = check.names("depends", options.depends or {}, 0, limits.call)
  return dependencies.unresolved(s, job.jid, parents, true)
end

-- Takes the job out of running and keeps what it brought.
function completion.leave(s, job, data, result)
  local record = job.record
  stats.took(s, record.queue, "run", s.now - record.popped_at)
  queue_lib.leave(s, job)
  job_lib.note(job, s, "done")
  if data ~= "" then
    job_lib.set_data(job, data)
  end
  if result ~= "" then
    redis.call("SET", keys.result(job.jid), result)
    record.has_result = true
  end
  job_lib.set_left(job, record.retries)
  job_lib.clear_failure(job)
  record.crashes = nil
end

-- Puts the job into its next queue; its dependents go on waiting.
function completion.advance(s, job, options, parents)
  local record = job.record
  local from, name = record.queue, options.queue
  record.queue, record.put_at, record.order = name, s.now, nil
  record.generation = session.next(s)
  job_lib.note(job, s, "put", { queue = name })
  if record.followups then
    redis.call("DEL", keys.followups(job.jid))
    record.followups = nil
  end
  local delay = options.delay or 0
  local due = delay > 0 and s.now + delay or nil
  if #parents > 0 then
    dependencies.link(s, job, parents, options.on_parent_failed or "wait")
    queue_lib.to_depends(s, job, name, due)
  else
    queue_lib.to_ready(s, job, name, due)
  end
  if record.unique then
    require("lib.unique").settle(s, job)
  end
  job_lib.save(job)
  stats.add(s, from, "completed", 1)
  stats.add(s, name, "put", 1)
  events.tracked(s, "completed", job)
  events.log(s, "advanced", job.jid, from, ',"to":"' .. name .. '"')
end

-- Ends the job for good.
function completion.finish(s, job)
  local from = job.record.queue
  finish.complete(s, job, from)
  job_lib.save(job)
  events.tracked(s, "completed", job)
  events.log(s, "completed", job.jid, from)
end

local function overdue(s)
  local oldest = redis.call("ZRANGE", keys.complete(), 0, 0, "WITHSCORES")[2]
  local age = tonumber(s.meta[8] or 2592000) * 1000
  return oldest and tonumber(oldest) <= s.now - age
end

-- What follows every end: dependents are let go, and what is kept too long is deleted. Expects
-- the options jobs-history and jobs-history-count as the call's own fields.
function completion.after(s)
  if s.released then
    require("lib.releases").after(s)
  end
  if redis.call("ZCARD", keys.complete()) > tonumber(s.meta[9] or 50000) or overdue(s) then
    require("lib.retention").complete(s, s.meta[8], s.meta[9], 4)
  end
end

return completion
