-- depends_off(now, request, jid, parents) -> number of parents it still waits for
-- Takes parents away, all of them when the list is empty; with the last one gone the job is ready,
-- or scheduled as it was put.
-- Errors: BADARG NOJOB WRONGSTATE
-- Events: none
-- Flags: allow-oom

local check = require("lib.check")
local dependencies = require("lib.dependencies")
local errors = require("lib.errors")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local leaving = require("lib.leaving")
local queue_lib = require("lib.queue")
local session = require("lib.session")

local now, request, jid, parents = unpack(ARGV)
check.name("jid", jid)
local names = check.packed_names("parents", parents, 0)

local s, again = session.open(now, request)
if again then
  return again
end
local job = job_lib.load(jid)
if job.record.state ~= "depends" then
  errors.raise("WRONGSTATE", "Job " .. jid .. " is not in the depends state: "
    .. job.record.state)
end

if #names == 0 then
  dependencies.unlink(job)
else
  dependencies.cut(job, names)
end
local left = redis.call("SCARD", keys.dependencies(jid))
if left == 0 then
  local record = job.record
  local due = record.due
  leaving.from_place(s, job)
  queue_lib.to_ready(s, job, record.queue, due and due > s.now and due or nil, s.now)
end
job_lib.save(job)

return session.close(s, left)
