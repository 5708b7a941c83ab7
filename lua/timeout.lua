-- timeout(now, request, jids) -> jids
-- Takes running jobs from their workers and puts them, as stalled, ahead of everything else.
-- Errors: BADARG NOJOB WRONGSTATE
-- Events: lock_lost
-- Flags: allow-oom

local check = require("lib.check")
local errors = require("lib.errors")
local events = require("lib.events")
local job_lib = require("lib.job")
local leaving = require("lib.leaving")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")

local now, request, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)

local s, again = session.open(now, request)
if again then
  return again
end
local jobs = job_lib.find_all(names)
for i, job in ipairs(jobs) do
  if not job then
    errors.no_job(names[i])
  elseif job.record.state ~= "running" then
    errors.raise("WRONGSTATE", "Job " .. names[i] .. " not currently running: "
      .. job.record.state)
  end
end

for _, job in ipairs(jobs) do
  job_lib.note(job, s, "timed-out")
  events.lost(s, job, "lock_lost")
  leaving.from_place(s, job)
  queue_lib.to_front(s, job, "stalled", limits.timed_out)
  if job.record.unique then
    require("lib.unique").settle(s, job)
  end
  job_lib.save(job)
end

return session.close(s, names)
