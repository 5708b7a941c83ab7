-- canceled_delete(now, request, jids) -> number
-- Deletes the copies of up to 100 canceled jobs, which cannot be restored then; returns how many
-- there were.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local canceled = require("lib.job.canceled")
local check = require("lib.core.check")
local session = require("lib.core.session")

local now, request, jids = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local deleted = 0
for _, jid in ipairs(names) do
  deleted = deleted + (canceled.forget(s, jid) and 1 or 0)
end

return session.close(s, deleted)
