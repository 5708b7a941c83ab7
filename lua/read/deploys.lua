-- deploys(now) -> list of markers
-- Lists all deploy markers, at most 100, the newest in front: each is {id, name, at, by}.
-- Errors: BADARG
-- Events: none

local deploys = require("lib.stats.deploys")
local session = require("lib.core.session")

local now = unpack(ARGV)
session.read(now)

return cmsgpack.pack(deploys.list())
