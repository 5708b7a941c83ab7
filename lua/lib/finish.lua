-- How a job completes: from wherever it was taken (lib.leaving), with everything that hung on it.
-- The caller saves.

local job_lib = require("lib.job")
local keys = require("lib.keys")
local stats = require("lib.stats")

local finish = {}

-- What completion and cancelling have in common: the end of the job's own claims.
function finish.settle(s, job, outcome)
  local record, jid = job.record, job.jid
  if record.batch then
    require("lib.batches").leave(s, job, outcome)
  end
  if record.followups then
    redis.call("UNLINK", keys.followups(jid))
    record.followups = nil
  end
  if record.keep then
    redis.call("ZADD", keys.tombstones(), s.now + record.keep, jid)
  end
  if record.parents then
    require("lib.dependencies").unlink(job)
  end
  for _, batch in ipairs(record.owns or {}) do
    require("lib.batches").close(s, batch)
  end
  record.owns = nil
end

-- What the record of a complete job says, and what it does not say any more.
function finish.end_record(s, record)
  record.state, record.completed_at = "complete", s.now
  record.queue, record.order, record.due, record.left = nil, nil, nil, nil
  record.crashes, record.tries = nil, nil
end

-- Completed for good: dependents are set free.
function finish.complete(s, job, queue)
  local record = job.record
  job_lib.clear_failure(job)
  finish.end_record(s, record)
  redis.call("ZADD", keys.complete(), s.stamp, job.jid)
  finish.settle(s, job, "completed")
  if record.unique then
    require("lib.unique").settle(s, job)
  end
  if redis.call("EXISTS", keys.dependents(job.jid)) == 1 then
    require("lib.dependencies").register(s, job.jid, "complete")
  end
  stats.add(s, queue, "completed", 1)
end

return finish
