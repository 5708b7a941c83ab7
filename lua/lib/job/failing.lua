-- Fails a job that has left its state (lib.job.leave_state): into a failure group, with everything
-- that follows for its batch, its dependents and its unique key. The caller saves the job.

local batches = require("lib.batch.batches")
local dependencies = require("lib.job.dependencies")
local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local stats = require("lib.stats.stats")

local failing = {}

-- Moves the job into its group, where it stays until somebody acts, and applies the policies of its
-- dependents.
local function move_to_group(s, job, group, message, worker)
  local record = job.record
  record.state, record.group, record.failed_at = "failed", group, s.now
  record.order, record.due, record.ahead = nil, nil, nil
  -- The instant until which the job may start is over with this failure: it may run again.
  record.expires = nil
  job_lib.set_failure(job, s, group, message, worker)
  redis.call("ZADD", keys.failed_group(group), s.now, job.jid)
  redis.call("ZADD", keys.failed(), s.now, group)
  require("lib.stats.failure_groups").note(s, group, record.queue, record.klass)
  batches.leave(s, job, "failed")
  if record.unique then
    require("lib.job.unique").adjust(s, job)
  end
  dependencies.release_dependents(s, job.jid, "failed")
  stats.add(s, record.queue, "failed", 1)
  stats.add_klass(s, record.klass, "failed", 1)
end

function failing.fail(s, job, group, message, worker)
  move_to_group(s, job, group, message, worker)
  events.failed(s, job, group, message, worker)
  events.tracked(s, "failed", job)
end

-- Fails a job that has no retries left; `text` may hold a group and message of the caller's, or the
-- cause of the last loss. Here the channel `failed` is published before the log.
function failing.exhaust(s, job, text, worker)
  local queue = job.record.queue
  local group = text.group or "failed-retries-" .. queue
  local message = text.message or 'Job exhausted retries in queue "' .. queue .. '"'
    .. (text.cause and ": " .. text.cause or "")
  history.add(job, s, "failed", { group = group })
  move_to_group(s, job, group, message, worker)
  events.tracked(s, "failed", job)
  events.failed(s, job, group, message, worker)
end

return failing
