-- queues(now, offset, count) -> {total, queues}
-- Counts the jobs of all queues by state, in the order in which they became known. `head_age` is
-- for how many milliseconds the first job of a queue has been ready, -1 where none waits.
-- Errors: BADARG
-- Events: none

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local listing = require("lib.queue.listing")
local session = require("lib.core.session")

local now, offset, count = unpack(ARGV)
local names, fields = listing.known(offset, count, limits.page)
local s = session.read(now, unpack(fields))

local shown = {}
for i, queue in ipairs(names) do
  shown[i] = listing.counts(s, queue, s.meta[fields[i]])
end

return cmsgpack.pack({ total = redis.call("ZCARD", keys.queues()), queues = shown })
