-- request(now, request) -> {state, reply}
-- Shows whether a request was carried out: done with its reply, older, or unknown.
-- Errors: BADARG
-- Events: none

local session = require("lib.core.session")

local now, request = unpack(ARGV)
session.read(now)

return cmsgpack.pack(session.ask(request))
