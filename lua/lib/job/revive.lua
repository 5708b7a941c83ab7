-- Puts an existing job back to work: after its failure, now instead of later, or in another queue.

local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local queue_lib = require("lib.queue.queue")
local stats = require("lib.stats.stats")

local revive = {}

-- Makes the job ready, or has it wait for its parents, or until `due`.
local function place(s, job, queue, eligible, due)
  local record = job.record
  if record.parents and redis.call("EXISTS", keys.dependencies(job.jid)) == 1 then
    queue_lib.to_depends(s, job, queue, due)
  elseif due then
    queue_lib.to_scheduled(s, job, queue, due)
  else
    queue_lib.to_waiting(s, job, queue, eligible)
  end
end

local function announce(s, job, queue)
  if job.record.unique then
    require("lib.job.unique").adjust(s, job)
  end
  job_lib.save(job)
  stats.add(s, queue, "put", 1)
  stats.add_klass(s, job.record.klass, "put", 1)
  events.log(s, "put", job.jid, queue, nil, job.record.klass)
  events.tracked(s, "put", job)
end

-- Retries a failed job, with all its retries.
function revive.retry_failed(s, job, queue)
  local record = job.record
  leave_state.leave(s, job)
  require("lib.batch.batches").rejoin(job, "failed")
  record.queue, record.put_at = queue, s.now
  record.crashes, record.stalls, record.tries = nil, nil, nil
  job_lib.set_retries_left(job, record.retries)
  history.add(job, s, "put", { queue = queue })
  place(s, job, queue, s.now)
  announce(s, job, queue)
end

-- Moves a job that waits, for whatever reason, to another queue, where it keeps waiting with its
-- age.
function revive.move(s, job, queue)
  local record = job.record
  local eligible = record.order and queue_lib.eligible_at(record) or s.now
  local due = record.due
  leave_state.leave(s, job)
  record.queue, record.put_at = queue, s.now
  history.add(job, s, "put", { queue = queue })
  place(s, job, queue, eligible, due)
  announce(s, job, queue)
end

-- Makes a scheduled job ready now.
function revive.run_now(s, job)
  local queue = job.record.queue
  leave_state.leave(s, job)
  queue_lib.to_waiting(s, job, queue, s.now)
  job_lib.save(job)
end

return revive
