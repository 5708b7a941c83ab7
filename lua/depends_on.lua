-- depends_on(now, request, jid, parents, options) -> number of parents the job waits for
-- Adds parents to a job that waits for others. Unknown and completed ones count as done. The option
-- on_parent_failed is their policy.
-- Errors: BADARG NOJOB WRONGSTATE CYCLE
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local dependencies = require("lib.job.dependencies")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, request, jid, parents, options = unpack(ARGV)
check.name("jid", jid)
local names = check.packed_names("parents", parents, 1)
local policy = check.options("options", options, { on_parent_failed = true }).on_parent_failed
  or "wait"
check.one_of("on_parent_failed", policy, dependencies.POLICIES)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = job_lib.load(jid)
if job.record.state ~= "depends" then
  errors.raise("WRONGSTATE", "Job " .. jid .. " is not in the depends state: "
    .. job.record.state)
end
local open = dependencies.unresolved(s, jid, names, true)
dependencies.refuse_too_many(jid, names)

dependencies.add_edges(s, job, names, open, policy)
job_lib.save(job)

return session.close(s, redis.call("SCARD", keys.dependencies(jid)))
