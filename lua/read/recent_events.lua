-- recent_events(now, limit) -> map: last, the newest id, and events, a list of [id, text]
-- Shows the newest events of the stream, oldest first.
-- Errors: BADARG STREAMOFF
-- Events: none

local check = require("lib.core.check")
local event_stream = require("lib.core.event_stream")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, limit = unpack(ARGV)
local count = check.integer("limit", limit, 1, limits.page)
local s = session.read(now)
event_stream.check_kept(s)

local found = {}
local newest = redis.call("XREVRANGE", keys.stream(), "+", "-", "COUNT", count)
for i = #newest, 1, -1 do
  found[#found + 1] = { newest[i][1], newest[i][2][2] }
end

return cmsgpack.pack({ last = s.last_event or "0-0", events = found })
