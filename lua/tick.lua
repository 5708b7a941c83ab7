-- tick(now, request) -> {next, more, refill}
-- Does what any pop does before it takes work, and takes none.
-- Errors: BADARG
-- Events: stalled lock_lost failed canceled put unpaused schedule_dry
-- Flags: allow-oom

local duties = require("lib.duties")
local session = require("lib.session")

local now, request = unpack(ARGV)

local s, again = session.open(now, request)
if again then
  return again
end
local due = duties.run(s)

return session.close(s, { next = due, more = due == 0, refill = s.refill })
