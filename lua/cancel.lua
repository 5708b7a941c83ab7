-- cancel(now, request, jids) -> the jids that were cancelled
-- Deletes jobs, all or none; one that others wait for only together with them. Completed and
-- unknown ones are left alone.
-- Errors: BADARG HASDEPENDENTS
-- Events: canceled failed put
-- Flags: allow-oom

local check = require("lib.check")
local errors = require("lib.errors")
local removal = require("lib.removal")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local limits = require("lib.limits")
local session = require("lib.session")

local now, request, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)
local listed = {}
for _, jid in ipairs(names) do
  listed[jid] = true
end

local s, again = session.open(now, request)
if again then
  return again
end
-- More waiting dependents than one call can name are never all listed.
local function refuse_dependents(jid)
  local found = redis.call("ZRANGEBYSCORE", keys.dependents(jid), 0, 0,
    "LIMIT", 0, limits.call + 1)
  for _, dependent in ipairs(found) do
    if not listed[dependent] then
      errors.raise("HASDEPENDENTS", "Job " .. jid .. " is a dependency of " .. dependent)
    end
  end
end

local jobs = job_lib.find_all(names)
for i, job in ipairs(jobs) do
  if job and job.record.state ~= "complete" then
    refuse_dependents(names[i])
  end
end

local canceled = {}
for _, job in ipairs(jobs) do
  if job and job.record.state ~= "complete" then
    removal.cancel_from_anywhere(s, job)
    canceled[#canceled + 1] = job.jid
  end
end
require("lib.releases").after(s)

return session.close(s, canceled)
