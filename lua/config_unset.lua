-- config_unset(now, request, option) -> true
-- Resets an option to its default.
-- Errors: BADARG BADCONFIG
-- Events: config_unset
-- Flags: allow-oom

local check = require("lib.core.check")
local options = require("lib.core.options")
local session = require("lib.core.session")

local now, request, option = unpack(ARGV)
check.name("option", option)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

options.unset(s, option)

return session.close(s, true)
