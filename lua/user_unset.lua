-- user_unset(now, request, user) -> whether the user had settings
-- Removes the settings of a user: it has the default weight, and no limit of its own.
-- Errors: BADARG
-- Events: user_unset
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")
local users = require("lib.admission.users")

local now, request, user = unpack(ARGV)
check.name("user", user)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local existed = redis.call("ZSCORE", keys.users(), user) and true or false
users.set(s, user, { weight = false, max_running = false })
session.publish(s, "log", '{"event":"user_unset","user":"' .. user .. '"}')

return session.close(s, existed)
