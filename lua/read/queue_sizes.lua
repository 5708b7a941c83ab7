-- queue_sizes(now, offset, count) -> {total, queues: [[name, number of jobs in each index]]}
-- Counts the jobs that a search would look through in the indexes of each queue, in the order in
-- which the queues became known. The indexes are waiting, shared, scheduled, depends, running and
-- throttled.
-- Errors: BADARG
-- Events: none

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local listing = require("lib.queue.listing")
local session = require("lib.core.session")

local now, offset, count = unpack(ARGV)
local names = listing.known(offset, count, limits.small_page)
session.read(now)

local rows = {}
for i, queue in ipairs(names) do
  rows[i] = {
    queue,
    redis.call("ZCARD", keys.waiting(queue)),
    redis.call("ZCARD", keys.shared(queue)),
    redis.call("ZCARD", keys.scheduled(queue)),
    redis.call("ZCARD", keys.depends(queue)),
    redis.call("ZCARD", keys.running(queue)),
    redis.call("ZCARD", keys.throttled(queue)),
  }
end

return cmsgpack.pack({ total = redis.call("ZCARD", keys.queues()), queues = rows })
