-- Moves a job to the next queue when a worker completes it with one.

local check = require("lib.core.check")
local dependencies = require("lib.job.dependencies")
local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local stats = require("lib.stats.stats")

local next_queue = {}

local NEXT = { queue = true, delay = true, depends = true, on_parent_failed = true }

-- Checks the options of the move; returns the parents that the job will wait for.
function next_queue.check(s, job, options)
  check.map("next", options, NEXT)
  check.name("next queue", options.queue)
  check.delay("delay", options.delay or 0)
  check.one_of("on_parent_failed", options.on_parent_failed or "wait", dependencies.POLICIES)
  local parents = check.names("depends", options.depends or {}, 0, limits.call)
  dependencies.refuse_too_many(job.jid, parents)
  return dependencies.unresolved(s, job.jid, parents, true)
end

-- Puts the job into its next queue; its dependents keep waiting.
function next_queue.enter(s, job, options, parents)
  local record = job.record
  local from, name = record.queue, options.queue
  record.queue, record.put_at, record.order = name, s.now, nil
  record.generation = session.next(s)
  history.add(job, s, "put", { queue = name })
  if record.followups then
    redis.call("UNLINK", keys.followups(job.jid))
    record.followups = nil
  end
  local delay = options.delay or 0
  local due = delay > 0 and s.now + delay or nil
  dependencies.add_edges(s, job, options.depends or {}, parents, options.on_parent_failed or "wait")
  if #parents > 0 then
    queue_lib.to_depends(s, job, name, due)
  else
    queue_lib.to_ready(s, job, name, due)
  end
  if record.unique then
    require("lib.job.unique").adjust(s, job)
  end
  job_lib.save(job)
  stats.add(s, from, "completed", 1)
  stats.add(s, name, "put", 1)
  stats.add_klass(s, record.klass, "put", 1)
  events.tracked(s, "completed", job)
  events.log(s, "advanced", job.jid, from, ',"to":"' .. name .. '"', record.klass,
    job.finished_by)
end

return next_queue
