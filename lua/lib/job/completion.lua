-- Completes jobs: the steps of the commands, and what the end of a job does to everything that
-- depends on it. Moving on to a next queue is in lib.job.next_queue.

local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local record_lib = require("lib.job.record")
local stats = require("lib.stats.stats")

local completion = {}

-- What completion and cancellation share: everything that belongs to the job ends.
function completion.end_belongings(s, job, outcome)
  local record, jid = job.record, job.jid
  if record.batch then
    require("lib.batch.batches").leave(s, job, outcome)
  end
  if record.followups then
    redis.call("UNLINK", keys.followups(jid))
    record.followups = nil
  end
  if record.keep then
    redis.call("ZADD", keys.tombstones(), s.now + record.keep, jid)
  end
  if record.parents then
    require("lib.job.dependencies").remove_all_edges(job)
  end
  for _, batch in ipairs(record.owns or {}) do
    require("lib.batch.batches").close(s, batch)
  end
  record.owns = nil
end

-- What a complete job does not have.
local UNFINISHED = { "queue", "order", "due", "left", "crashes", "stalls", "tries", "ahead",
  "expires" }

-- Changes the record into that of a complete job.
function completion.end_record(s, record)
  record.state, record.completed_at = "complete", s.now
  record_lib.clear(record, UNFINISHED)
end

-- Stores the job as the complete job that it will be, for those who read it before it is saved.
function completion.save_end(s, job)
  local record = {}
  for name, value in pairs(job.record) do
    record[name] = value
  end
  completion.end_record(s, record)
  job_lib.save({ jid = job.jid, record = record, data = job.data })
end

-- Completes the job for good and releases its dependents. The caller saves it.
function completion.complete(s, job, queue)
  local record = job.record
  job_lib.clear_failure(job)
  completion.end_record(s, record)
  redis.call("ZADD", keys.complete(), s.now_text, job.jid)
  completion.end_belongings(s, job, "completed")
  if record.unique then
    require("lib.job.unique").adjust(s, job)
  end
  if redis.call("EXISTS", keys.dependents(job.jid)) == 1 then
    require("lib.job.dependencies").release_dependents(s, job.jid, "complete")
  end
  stats.add(s, queue, "completed", 1)
end

-- Takes the job out of running and stores its new data and its result.
function completion.leave_running(s, job, data, result)
  local record = job.record
  job.finished_by = record.worker  -- For the event; the record forgets it.
  stats.add_duration(s, record.queue, record.klass, "run", s.now - record.popped_at)
  leave_state.running(s, job)
  history.add(job, s, "done")
  if data ~= "" then
    job_lib.set_data(job, data)
  end
  job_lib.set_result(job, result)
  job_lib.set_retries_left(job, record.retries)
  job_lib.clear_failure(job)
  record.crashes, record.stalls, record.tries, record.expires = nil, nil, nil, nil
end

-- Completes the job for good, and publishes that.
function completion.finish(s, job)
  local from = job.record.queue
  completion.complete(s, job, from)
  job_lib.save(job)
  events.tracked(s, "completed", job)
  events.log(s, "completed", job.jid, from, job.record.has_result and ',"result":true' or nil,
    job.record.klass, job.finished_by)
end

local function overdue(s)
  local oldest = redis.call("ZRANGE", keys.complete(), 0, 0, "WITHSCORES")[2]
  local age = (tonumber(s.meta["config:jobs-history"]) or 2592000) * 1000
  return oldest and tonumber(oldest) <= s.now - age
end

-- Does what follows the end of `number` jobs: releases dependents, and deletes a few more jobs than
-- that if they were kept too long. s.meta must hold the options jobs-history and
-- jobs-history-count.
function completion.clean_up(s, number)
  if s.has_releases then
    require("lib.job.releases").drain_some(s)
  end
  local age, most = s.meta["config:jobs-history"], s.meta["config:jobs-history-count"]
  if redis.call("ZCARD", keys.complete()) > (tonumber(most) or 50000) or overdue(s) then
    require("lib.core.retention").delete_completed(s, age, most, number + 3)
  end
end

return completion
