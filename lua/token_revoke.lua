-- token_revoke(now, request, id) -> whether there was such a token
-- Deletes an access token.
-- Errors: BADARG
-- Events: token_revoked
-- Flags: allow-oom

local keys = require("lib.core.keys")
local session = require("lib.core.session")
local tokens = require("lib.access.tokens")

local now, request, id = unpack(ARGV)
tokens.check_id(id)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local existed = redis.call("HDEL", keys.tokens(), id) == 1
if existed then
  session.publish(s, "log", '{"event":"token_revoked","token":"' .. id .. '"}')
end

return session.close(s, existed)
