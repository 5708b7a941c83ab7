-- token(now, id) -> {token, digest, left, is_use_due}, empty if no such token may be used
-- Reads an access token to check a request: left is the number of ms until it expires, missing if
-- it does not, and is_use_due tells whether token_used would write.
-- Errors: BADARG
-- Events: none

local session = require("lib.core.session")
local tokens = require("lib.access.tokens")

local now, id = unpack(ARGV)
tokens.check_id(id)
local s = session.read(now)

local record = tokens.find(s, id)
if not record then
  return cmsgpack.pack({})
end
local digest = record.digest

return cmsgpack.pack({
  digest = digest,
  left = record.expires_at and record.expires_at - s.now,
  is_use_due = tokens.is_use_due(s, record),
  token = tokens.show(id, record),
})
