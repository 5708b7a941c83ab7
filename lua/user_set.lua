-- user_set(now, request, user, options) -> {weight, max_running}
-- Changes what is given of a user: weight, its share where users share a queue (1), and
-- max_running, how many of its jobs run at once; false takes it back.
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

local s, again = session.open(now, request)
if again then
  return again
end

local reply = users.set(s, user, given)
session.publish(s, "log", '{"event":"user_set","user":"' .. user .. '"}')

return session.close(s, reply)
