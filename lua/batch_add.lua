-- batch_add(now, request, batch, jids) -> number of new members
-- Makes existing, unfinished jobs members of an open batch; a job belongs to at most one batch.
-- Errors: BADARG NOBATCH BATCHCLOSED NOJOB WRONGSTATE
-- Events: none
-- Flags: allow-oom

local batches = require("lib.batch.batches")
local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local session = require("lib.core.session")

local now, request, batch, jids = unpack(ARGV)
check.name("batch", batch)
local names = check.packed_names("jids", jids, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
batches.require_open(batch)

local function refuse(job, jid)
  if not job then
    errors.no_job(jid)
  end
  local state = job.record.state
  if state == "complete" or state == "failed" then
    errors.raise("WRONGSTATE", "Job " .. jid .. " has ended: " .. state)
  elseif job.record.batch and job.record.batch ~= batch then
    errors.raise("WRONGSTATE", "Job " .. jid .. " is in the batch " .. job.record.batch)
  end
end

local jobs = job_lib.find_all(names)
for i, job in ipairs(jobs) do
  refuse(job, names[i])
end

local number = 0
for _, job in ipairs(jobs) do
  if not job.record.batch then
    job.record.batch = batch
    batches.join(batch, job)
    job_lib.save(job)
    number = number + 1
  end
end

return session.close(s, number)
