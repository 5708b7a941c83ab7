-- token_used(now, request, id) -> whether the time was written
-- Notes that an access token was used, unless that was noted within the last minute.
-- Errors: BADARG
-- Events: none
-- Flags: none

local session = require("lib.core.session")
local tokens = require("lib.access.tokens")

local now, request, id = unpack(ARGV)
tokens.check_id(id)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local record = tokens.find(s, id)
local is_due = record ~= nil and tokens.is_use_due(s, record)
if is_due then
  record.used_at = s.now
  tokens.save(id, record)
end

return session.close(s, is_due)
