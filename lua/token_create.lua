-- token_create(now, request, id, digest, options) -> the token as read/tokens shows it
-- Stores an access token under an unused id with the SHA-256 of its secret. Options: name, scopes
-- (put, work, read, operate, data), queues and klasses (patterns), expires_at or expires_in,
-- created_by. If there are 1,000 tokens, those that have expired are deleted first.
-- Errors: BADARG EXISTS
-- Events: token_created
-- Flags: none

local check = require("lib.core.check")
local session = require("lib.core.session")
local tokens = require("lib.access.tokens")

local now, request, id, digest, options = unpack(ARGV)
tokens.check_id(id)
local given = check.options("options", options, tokens.OPTIONS)
tokens.check(digest, given)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local reply = tokens.create(s, id, digest, given)
session.publish(s, "log", '{"event":"token_created","token":"' .. id .. '"}')

return session.close(s, reply)
