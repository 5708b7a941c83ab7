-- user_set(now, request, user, options) -> {weight, max_running}
-- Changes the given settings of a user: weight, its share in shared queues (1), and max_running,
-- the number of its jobs that run at once. false removes a setting.
-- Errors: BADARG
-- Events: user_set
-- Flags: allow-oom

local check = require("lib.core.check")
local session = require("lib.core.session")
local users = require("lib.admission.users")

local now, request, user, options = unpack(ARGV)
check.name("user", user)
local given = check.options("options", options, users.OPTIONS)
users.check(given)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local reply = users.set(s, user, given)
session.publish(s, "log", '{"event":"user_set","user":"' .. user .. '"}')

return session.close(s, reply)
