-- job(now, jid) -> view of the job or recurring job, or false
-- Shows everything about one job, the failures before the last one (earlier) too.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")
local stored = require("lib.core.stored")
local view = require("lib.job.view")

local now, jid = unpack(ARGV)
check.name("jid", jid)
local s = session.read(now)

local shown = view.of(s, jid)
if shown and shown.failure then
  shown.earlier = (stored.get(keys.failure(jid)) or {}).earlier
end

return cmsgpack.pack(shown)
