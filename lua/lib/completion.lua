-- The steps of a completion: out of running, then to its end; into the next queue is lib.advance.

local events = require("lib.events")
local finish = require("lib.finish")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local leaving = require("lib.leaving")
local stats = require("lib.stats")

local completion = {}

-- Takes the job out of running and keeps what it brought.
function completion.leave(s, job, data, result)
  local record = job.record
  stats.took(s, record.queue, "run", s.now - record.popped_at)
  leaving.running(s, job)
  job_lib.note(job, s, "done")
  if data ~= "" then
    job_lib.set_data(job, data)
  end
  job_lib.set_result(job, result)
  job_lib.set_left(job, record.retries)
  job_lib.clear_failure(job)
  record.crashes, record.tries = nil, nil
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

-- What follows the end of a number of jobs: dependents are let go, and a few more jobs than that
-- are deleted if they were kept too long. Expects the options jobs-history and jobs-history-count
-- as the call's own fields.
function completion.after(s, number)
  if s.released then
    require("lib.releases").after(s)
  end
  if redis.call("ZCARD", keys.complete()) > tonumber(s.meta[9] or 50000) or overdue(s) then
    require("lib.retention").complete(s, s.meta[8], s.meta[9], number + 3)
  end
end

return completion
