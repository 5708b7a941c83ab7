-- edit(now, request, jid, data, options) -> true
-- Changes a job in one step. Options: priority, and tags (they replace all). Data is replaced only
-- while no worker has the job and it has not ended; with the option expects, only if the SHA-1 of
-- the stored data, in hex, is that.
-- Errors: BADARG TOOLARGE NOJOB WRONGSTATE CHANGED
-- Events: none
-- Flags: allow-oom

local change = require("lib.job.change")
local check = require("lib.core.check")
local errors = require("lib.core.errors")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local tags_lib = require("lib.job.tags")

local OPTIONS = { priority = true, tags = true, expects = true }
local EDITABLE = { waiting = true, stalled = true, throttled = true, scheduled = true,
  depends = true, failed = true }

local now, request, jid, data, options = unpack(ARGV)
check.name("jid", jid)
local given = check.options("options", options, OPTIONS)
check.finite("priority", given.priority or 0)
check.names("tags", given.tags or {}, 0, limits.call)
check.text("expects", given.expects or "", 40)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
check.data(s, data)
local job = job_lib.load(jid)

local function check_data()
  if not EDITABLE[job.record.state] then
    errors.raise("WRONGSTATE", "Job " .. jid .. " is " .. job.record.state
      .. ": its data can be changed before it runs, or after it has failed")
  end
  if given.expects and redis.sha1hex(job_lib.get_data(job)) ~= given.expects then
    errors.raise("CHANGED", "The data of job " .. jid .. " has changed since it was read")
  end
end

if data ~= "" then
  check_data()
  job_lib.set_data(job, data)
  history.add(job, s, "edited")
end
if given.tags then
  tags_lib.replace(s, job, given.tags)
end
if given.priority then
  change.set_priority(job, given.priority)
else
  job_lib.save(job)
end

return session.close(s, true)
