-- tokens(now) -> list of tokens
-- Lists all access tokens, at most 1,000, the oldest in front, also those that have expired: each
-- is {id, name, scopes, queues, klasses, created_at, created_by, expires_at, used_at}.
-- Errors: BADARG
-- Events: none

local session = require("lib.core.session")
local tokens = require("lib.access.tokens")

local now = unpack(ARGV)
session.read(now)

return cmsgpack.pack(tokens.list())
