-- timeout(now, request, jids) -> jids
-- Takes running jobs from their workers and puts them, as stalled, before everything else in their
-- queues.
-- Errors: BADARG NOJOB WRONGSTATE
-- Events: lock_lost
-- Flags: allow-oom

local change = require("lib.job.change")
local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local session = require("lib.core.session")

local now, request, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
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
  change.time_out(s, job)
end

return session.close(s, names)
