-- events(now, after, limit) -> map: last, the newest id, and events, a list of [id, text]
-- Shows the events of the stream after an id, oldest first; "0" shows all that are kept, "" none,
-- only the newest id.
-- Errors: BADARG STREAMOFF
-- Events: none

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local event_stream = require("lib.core.event_stream")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, after, limit = unpack(ARGV)
local count = check.integer("limit", limit, 1, limits.page)
check.text("after", after, 33)
local ms, number = string.match(after, "^(%d+)%-(%d+)$")
if after ~= "" and after ~= "0" and not (ms and #ms <= 16 and #number <= 16) then
  errors.bad("after is not the id of an event, like 1764547200123-57")
end

local s = session.read(now)
event_stream.check_kept(s)

local found = {}
if after ~= "" then
  for i, entry in ipairs(redis.call("XRANGE", keys.stream(), "(" .. after, "+", "COUNT", count)) do
    found[i] = { entry[1], entry[2][2] }
  end
end

return cmsgpack.pack({ last = s.last_event or "0-0", events = found })
