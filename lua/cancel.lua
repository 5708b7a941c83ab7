-- cancel(now, request, jids, how) -> the jids of the canceled jobs
-- Deletes jobs, all of them or none. A job that others depend on is deleted only together with
-- them. Completed and unknown jobs are ignored; one that nobody can read is deleted with its copy.
-- A copy is kept for a while, for canceled_restore; how may say by whom and for which reason.
-- Errors: BADARG HASDEPENDENTS
-- Events: canceled failed put conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local lists = require("lib.core.lists")
local removal = require("lib.job.removal")
local session = require("lib.core.session")

local now, request, jids, how = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)
local details = require("lib.job.canceled").read_how(check.options("how", how))
local listed = lists.set(names)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local jobs = job_lib.find_all(names)
for i, job in ipairs(jobs) do
  if job and job.record.state ~= "complete" then
    removal.refuse_dependents(names[i], listed)
  end
end

local canceled = {}
for i, job in ipairs(jobs) do
  if job and job.record.state ~= "complete" then
    removal.cancel(s, job, details)
    canceled[#canceled + 1] = job.jid
  elseif not job and removal.cancel_unreadable(s, names[i]) then
    canceled[#canceled + 1] = names[i]
  end
end
require("lib.job.releases").drain_some(s)

return session.close(s, canceled)
