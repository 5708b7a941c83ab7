-- deploy_remove(now, request, id) -> whether there was such a marker
-- Deletes a deploy marker.
-- Errors: BADARG
-- Events: deploy_removed
-- Flags: allow-oom

local check = require("lib.core.check")
local deploys = require("lib.stats.deploys")
local session = require("lib.core.session")

local now, request, id = unpack(ARGV)
check.name("id", id)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

return session.close(s, deploys.remove(s, id))
