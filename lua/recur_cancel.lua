-- recur_cancel(now, request, jid) -> whether it existed
-- Deletes a recurring job, also one that nobody can read; its children stay.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local quarantine = require("lib.core.quarantine")
local recurrence = require("lib.recurring.recurrence")
local session = require("lib.core.session")

local now, request, jid = unpack(ARGV)
check.name("jid", jid)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local self = recurrence.find(jid)

if self then
  recurrence.remove(self)
end
local was_unreadable = quarantine.forget_all("recurring:" .. jid)

return session.close(s, self and true or was_unreadable)
