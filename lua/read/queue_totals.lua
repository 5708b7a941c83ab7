-- queue_totals(now, offset, count) -> {total, queues}
-- Shows what monitors read of each queue, in the order in which the queues became known: the counts
-- of its jobs by state; head_age, the milliseconds that its first job has been ready, -1 where none
-- waits; overdue, those since the earliest tick that has not fired. Two parts make up the counters:
-- totals, packed as they are stored or empty, and current, the fields and values of the current
-- minute. Both are left to the reader to add: here they would take ten times as long as all else.
-- Errors: BADARG
-- Events: none

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local listing = require("lib.queue.listing")
local session = require("lib.core.session")

local now, offset, count = unpack(ARGV)
local names, fields = listing.known(offset, count, limits.call)
local s = session.read(now, unpack(fields))

-- A cron job without known ticks has no instant, and is not overdue.
local function overdue(queue)
  local first = redis.call("ZRANGE", keys.queue_recurring(queue), 0, 0, "WITHSCORES")[2]
  return first and math.max(s.now - tonumber(first), 0) or 0
end

local shown = {}
for i, queue in ipairs(names) do
  local counts = listing.counts(s, queue, s.meta[fields[i]])
  counts.pause = nil
  counts.overdue = counts.recurring > 0 and overdue(queue) or 0
  counts.totals = redis.call("GET", keys.totals(queue)) or ""
  counts.current = redis.call("HGETALL", keys.queue_now(queue))
  shown[i] = counts
end

return cmsgpack.pack({ total = redis.call("ZCARD", keys.queues()), queues = shown })
