-- recur_run(now, request, jid) -> the jid of the child
-- Puts one more child of a recurring job now; its schedule stays as it is.
-- Errors: BADARG NOJOB
-- Events: put
-- Flags: none

local check = require("lib.core.check")
local recurrence = require("lib.recurring.recurrence")
local session = require("lib.core.session")

local now, request, jid = unpack(ARGV)
check.name("jid", jid)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local self = recurrence.load(jid)

local child = recurrence.spawn(s, self, s.now)
recurrence.save(self)

return session.close(s, child)
