-- webhooks(now) -> map: webhooks, a list of [id, packed record]; position; last; gap
-- Shows all webhooks, with the event up to which their deliveries were put, the newest event, and
-- the last gap that a dispatcher has met (packed: at, after, lost).
-- Errors: BADARG
-- Events: none

local keys = require("lib.core.keys")
local session = require("lib.core.session")
local webhooks = require("lib.webhook.webhooks")

local now = unpack(ARGV)
local s = session.read(now, "webhooks:position", "webhooks:gap")

local found = {}
local flat = redis.call("HGETALL", keys.webhooks())
for i = 1, #flat, 2 do
  if webhooks.parse(flat[i + 1]) then
    found[#found + 1] = { flat[i], flat[i + 1] }
  end
end

return cmsgpack.pack({ webhooks = found, last = s.last_event or "0-0",
  position = s.meta["webhooks:position"] or "0-0", gap = s.meta["webhooks:gap"] or nil })
