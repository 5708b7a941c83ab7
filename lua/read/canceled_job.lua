-- canceled_job(now, jid) -> the job as it was, or false
-- Shows everything that is kept of a canceled job, as read/job shows a job, with how it was
-- canceled in the field `canceled`.
-- Errors: BADARG
-- Events: none

local canceled = require("lib.job.canceled")
local check = require("lib.core.check")
local session = require("lib.core.session")

local now, jid = unpack(ARGV)
check.name("jid", jid)
session.read(now)
local copy = canceled.find(jid)

return cmsgpack.pack(copy and require("lib.job.canceled_view").full(copy) or false)
