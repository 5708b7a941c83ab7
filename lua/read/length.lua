-- length(now, queue) -> number of jobs
-- Counts the jobs of a queue that are running, waiting, parked or scheduled.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, queue = unpack(ARGV)
check.name("queue", queue)
session.read(now)

return cmsgpack.pack(redis.call("ZCARD", keys.running(queue))
  + redis.call("ZCARD", keys.waiting(queue))
  + redis.call("ZCARD", keys.shared(queue))
  + redis.call("ZCARD", keys.throttled(queue))
  + redis.call("ZCARD", keys.scheduled(queue)))
