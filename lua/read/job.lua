-- job(now, jid) -> view of the job or recurring job, or false
-- Shows everything about one job.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local session = require("lib.core.session")
local view = require("lib.job.view")

local now, jid = unpack(ARGV)
check.name("jid", jid)
local s = session.read(now)

return cmsgpack.pack(view.of(s, jid))
