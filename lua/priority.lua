-- priority(now, request, jid, priority) -> priority
-- Changes the priority of a job; a job that is ready keeps its age.
-- Errors: BADARG NOJOB
-- Events: none
-- Flags: allow-oom

local change = require("lib.job.change")
local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local session = require("lib.core.session")

local now, request, jid, priority = unpack(ARGV)
check.name("jid", jid)
local number = check.number("priority", priority)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = job_lib.load(jid)

change.set_priority(job, number)

return session.close(s, priority)
