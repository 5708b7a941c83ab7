-- audit_add(now, request, entry) -> id of the entry, or "" while the log is off
-- Records who changed what, in the stream that keeps the newest entries (the option audit-log). The
-- entry holds texts: who, role, door (dashboard, command line, http or worker), address, action,
-- targets (names separated by line breaks), details, count, outcome (done or refused), result.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local audit = require("lib.core.audit")
local session = require("lib.core.session")

local now, request, entry = unpack(ARGV)
local checked = audit.check(entry)

local s, earlier_reply = session.open(now, request, "config:audit-log")
if earlier_reply then
  return earlier_reply
end
local limit = audit.limit(s, checked)
if limit == 0 then
  return cmsgpack.pack("")
end

return session.close(s, audit.add(s, checked, limit))
