-- config_set(now, request, option, value) -> true
-- Sets an option of the namespace; the values of known options are checked.
-- Errors: BADARG BADCONFIG
-- Events: config_set
-- Flags: allow-oom

local config = require("lib.core.config")
local options = require("lib.core.options")
local session = require("lib.core.session")

local now, request, option, value = unpack(ARGV)
config.check(option, value)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

options.set(s, option, value)

return session.close(s, true)
