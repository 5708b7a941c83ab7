-- Fails jobs that must not start after an instant of their own, at the moment they would be leased.

local failing = require("lib.job.failing")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")

local expiry = {}

-- Fails a job that was just taken from the head of its queue, if its time is over; returns whether
-- it did. Failing removes the instant, so the job may run if it is put again.
function expiry.fail_if_over(s, job)
  local record = job.record
  if not record.expires or record.expires > s.now then
    return false
  end
  history.add(job, s, "failed", { group = "expired" })
  failing.fail(s, job, "expired",
    'Job was not handed out in queue "' .. record.queue .. '" before its time was over', "")
  job_lib.save(job)
  s.has_expired_jobs = true
  return true
end

return expiry
