-- klasses(now) -> [klass, counters, klass, counters …]
-- Lists the counters of klasses, each packed: started, completed, failed, retried, and run, the
-- milliseconds that completed jobs ran. Without the option klass-stats there are none.
-- Errors: BADARG
-- Events: none

local keys = require("lib.core.keys")
local klasses = require("lib.stats.klasses")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local now = unpack(ARGV)
session.read(now)

local flat = redis.call("HGETALL", keys.klasses())
local places = {}
for i = 1, #flat, 2 do
  places[flat[i]] = i + 1
end
-- The current minute is added when it is over, so it is added here to what is stored.
for _, klass in ipairs(redis.call("ZRANGE", keys.known_klasses(), 0, -1)) do
  local open = klasses.current(klass)
  if open then
    local place = places[klass] or #flat + 2
    local total = flat[place] and stored.unpack(flat[place]) or {}
    flat[place - 1], flat[place] = klass, cmsgpack.pack(klasses.add_total(total, open))
  end
end

return cmsgpack.pack(flat)
