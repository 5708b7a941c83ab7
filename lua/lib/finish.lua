-- How a job ends. Each function expects a job that has left its place (lib.queue.leave), puts it
-- into its last one, and sees to everything that hung on it. The caller saves.

local batches = require("lib.batches")
local dependencies = require("lib.dependencies")
local events = require("lib.events")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local queue_lib = require("lib.queue")
local session = require("lib.session")
local stats = require("lib.stats")

local finish = {}

-- What completion and cancelling have in common: the end of the job's own claims.
local function settle(s, job, outcome)
  local record, jid = job.record, job.jid
  batches.leave(s, job, outcome)
  if record.followups then
    redis.call("DEL", keys.followups(jid))
    record.followups = nil
  end
  if record.keep then
    redis.call("ZADD", keys.tombstones(), s.now + record.keep, jid)
  end
  dependencies.unlink(job)
  for _, batch in ipairs(record.owns or {}) do
    batches.close(s, batch)
  end
  record.owns = nil
end

-- Completed for good: dependents are set free.
function finish.complete(s, job, queue)
  local record = job.record
  job_lib.clear_failure(job)
  record.state, record.completed_at = "complete", s.now
  record.queue, record.order, record.due, record.left = nil, nil, nil, nil
  record.crashes = nil
  redis.call("ZADD", keys.complete(), s.now, job.jid)
  settle(s, job, "completed")
  if record.unique then
    require("lib.unique").settle(s, job)
  end
  dependencies.register(s, job.jid, "complete")
  stats.add(s, queue, "completed", 1)
end

-- Failed until somebody looks: into its group, and dependents are treated by their policy.
function finish.fail(s, job, group, message, worker)
  local record = job.record
  record.state, record.group, record.failed_at = "failed", group, s.now
  record.order, record.due = nil, nil
  job_lib.set_failure(job, s, group, message, worker)
  redis.call("ZADD", keys.group(group), s.now, job.jid)
  redis.call("ZADD", keys.failed(), s.now, group)
  batches.leave(s, job, "failed")
  if record.unique then
    require("lib.unique").settle(s, job)
  end
  dependencies.register(s, job.jid, "failed")
  stats.add(s, record.queue, "failed", 1)
  session.publish(s, "log", '{"event":"failed","jid":"' .. job.jid .. '","queue":"'
    .. record.queue .. '","worker":"' .. worker .. '","group":' .. events.quoted(group)
    .. ',"message":' .. events.quoted(message) .. "}")
  events.tracked(s, "failed", job)
end

-- Retries are used up; `text` may name a group and message of one's own.
function finish.exhaust(s, job, text, worker)
  local queue = job.record.queue
  local group = text.group or "failed-retries-" .. queue
  local message = text.message or 'Job exhausted retries in queue "' .. queue .. '"'
  job_lib.note(job, s, "failed", { group = group })
  finish.fail(s, job, group, message, worker)
end

-- Gone: cancelled. Its tracking entry stays.
function finish.cancel(s, job)
  local record = job.record
  local held = record.has_result and redis.call("EXISTS", keys.holds(job.jid)) == 1
  if record.unique then
    require("lib.unique").drop(job)
  end
  require("lib.tags").forget(job)
  settle(s, job, "canceled")
  dependencies.register(s, job.jid, "canceled")
  if record.has_result and not held then
    redis.call("DEL", keys.result(job.jid))
  end
  job_lib.erase(job)
end

-- Takes a job out of everything as `cancel` does, with its events.
function finish.cancel_from_anywhere(s, job)
  local record = job.record
  local queue, worker = record.queue or "", record.worker or ""
  if record.state == "running" then
    events.lost(s, job, "canceled")
  end
  queue_lib.leave(s, job)
  finish.cancel(s, job)
  events.log(s, "canceled", job.jid, queue, ',"worker":"' .. worker .. '"')
  events.tracked(s, "canceled", job)
end

function finish.untrack(jid)
  redis.call("ZREM", keys.tracked(), jid)
  redis.call("HSET", keys.meta(), "tracking", redis.call("ZCARD", keys.tracked()))
end

-- Deletes one completed job whose time is over; a result that dependents need stays.
function finish.forget(_, job)
  if job.record.tracked then
    finish.untrack(job.jid)
  end
  redis.call("ZREM", keys.complete(), job.jid)
  require("lib.tags").forget(job)
  if job.record.has_result and redis.call("EXISTS", keys.holds(job.jid)) == 0 then
    redis.call("DEL", keys.result(job.jid))
  end
  job_lib.erase(job)
end

return finish
