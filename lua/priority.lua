-- priority(now, request, jid, priority) -> priority
-- Changes the priority of a job; a waiting one keeps its age.
-- Errors: BADARG NOJOB
-- Events: none
-- Flags: allow-oom

local check = require("lib.check")
local job_lib = require("lib.job")
local lanes = require("lib.lanes")
local session = require("lib.session")

local READY = { waiting = true, stalled = true, throttled = true }

local now, request, jid, priority = unpack(ARGV)
check.name("jid", jid)
local number = check.number("priority", priority)

local s, again = session.open(now, request)
if again then
  return again
end
local job = job_lib.load(jid)

job.record.priority = number ~= 0 and number or nil
if READY[job.record.state] then
  lanes.reorder(job)
end
job_lib.save(job)

return session.close(s, priority)
