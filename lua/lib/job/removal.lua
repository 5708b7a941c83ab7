-- Deletes jobs: those that are canceled, and completed ones that were kept long enough.

local completion = require("lib.job.completion")
local dependencies = require("lib.job.dependencies")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local limits = require("lib.core.limits")

local removal = {}

-- A job that waits for this one and is not `listed`, or nil. A job with more waiting dependents
-- than one call can name always has one.
function removal.dependent_of(jid, listed)
  local found = redis.call("ZRANGEBYSCORE", keys.dependents(jid), 0, 0,
    "LIMIT", 0, limits.call + 1)
  for _, dependent in ipairs(found) do
    if not listed[dependent] then
      return dependent
    end
  end
  return nil
end

-- Refuses to delete a job that others wait for, unless all of them are `listed`.
function removal.refuse_dependents(jid, listed)
  local dependent = removal.dependent_of(jid, listed)
  if dependent then
    errors.raise("HASDEPENDENTS", "Job " .. jid .. " is a dependency of " .. dependent)
  end
end

-- Deletes a canceled job that has left its state. Its tracking entry stays.
function removal.delete_canceled(s, job)
  local record = job.record
  local held = record.has_result and redis.call("EXISTS", keys.holds(job.jid)) == 1
  if record.unique then
    require("lib.job.unique").drop(job)
  end
  require("lib.job.tags").forget(job)
  completion.end_belongings(s, job, "canceled")
  dependencies.release_dependents(s, job.jid, "canceled")
  if record.has_result and not held then
    redis.call("DEL", keys.result(job.jid))
  end
  job_lib.erase(job)
end

-- Takes a job out of its state and cancels it, with its events; here the log comes first. `how`
-- says who canceled it and why: lib.job.canceled. Returns whether a copy is kept.
function removal.cancel(s, job, how)
  local record = job.record
  local queue, worker = record.queue or "", record.worker or ""
  events.log(s, "canceled", job.jid, queue, ',"worker":"' .. worker .. '"', record.klass)
  if record.state == "running" then
    events.lost(s, job, "canceled")
  end
  local is_kept = require("lib.job.canceled").keep(s, job, how)
  leave_state.leave(s, job)
  removal.delete_canceled(s, job)
  events.tracked(s, "canceled", job)
  return is_kept
end

-- Deletes what is left of a job that nobody could read, if there is such a job. Its entries in
-- lists leave when these are next read.
function removal.cancel_unreadable(s, jid)
  if not require("lib.core.quarantine").forget_all("job:" .. jid) then
    return false
  end
  events.log(s, "canceled", jid, "")
  dependencies.release_dependents(s, jid, "canceled")
  require("lib.job.remains").delete(jid)
  return true
end

function removal.untrack(jid)
  redis.call("ZREM", keys.tracked(), jid)
  redis.call("HSET", keys.meta(), "tracking", redis.call("ZCARD", keys.tracked()))
end

-- Deletes one completed job that was kept long enough. A result that dependents need stays.
function removal.delete_complete(_, job)
  if job.record.tracked then
    removal.untrack(job.jid)
  end
  redis.call("ZREM", keys.complete(), job.jid)
  require("lib.job.tags").forget(job)
  if job.record.has_result and redis.call("EXISTS", keys.holds(job.jid)) == 0 then
    redis.call("DEL", keys.result(job.jid))
  end
  job_lib.erase(job)
end

return removal
