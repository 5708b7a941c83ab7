-- depends_off(now, request, jid, parents) -> number of parents the job still waits for
-- Removes parents of a job that waits for them, all of them when the list is empty. Without any
-- left the job is ready, or scheduled as it was put.
-- Errors: BADARG NOJOB WRONGSTATE
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local dependencies = require("lib.job.dependencies")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local leave_state = require("lib.job.leave_state")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")

local now, request, jid, parents = unpack(ARGV)
check.name("jid", jid)
local names = check.packed_names("parents", parents, 0)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = job_lib.load(jid)
if job.record.state ~= "depends" then
  errors.raise("WRONGSTATE", "Job " .. jid .. " is not in the depends state: "
    .. job.record.state)
end

if #names == 0 then
  dependencies.remove_all_edges(job)
else
  dependencies.remove_edges(job, names)
end
local left = redis.call("SCARD", keys.dependencies(jid))
if left == 0 then
  leave_state.leave(s, job)
  queue_lib.to_ready(s, job, job.record.queue, job.record.due, s.now)
end
job_lib.save(job)

return session.close(s, left)
