-- user(now, user, queue) -> {user, weight, max_running, running, waiting}
-- Shows the settings of a user, how many of its jobs run and, for a queue, how many are ready
-- there.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local session = require("lib.core.session")
local users = require("lib.admission.users")

local now, user, queue = unpack(ARGV)
check.name("user", user)
if queue ~= "" then
  check.name("queue", queue)
end
local s = session.read(now)

return cmsgpack.pack(users.show_all(s, { user }, queue)[1])
