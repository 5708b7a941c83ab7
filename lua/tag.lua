-- tag(now, request, jid, tags) -> the tags of the job
-- Adds tags to a job, each once, in the order given.
-- Errors: BADARG NOJOB
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local session = require("lib.core.session")
local tags_lib = require("lib.job.tags")

local now, request, jid, tags = unpack(ARGV)
check.name("jid", jid)
local names = check.packed_names("tags", tags, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = job_lib.load(jid)
local refused = tags_lib.refusal(job.record.tags, names)
if refused then
  errors.bad(refused)
end

tags_lib.add(s, job, names)
job_lib.save(job)

return session.close(s, job.record.tags or {})
