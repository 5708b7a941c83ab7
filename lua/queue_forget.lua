-- queue_forget(now, request, queues) -> number of queues
-- Takes queues off the list of known ones; their jobs stay, and the next put lists them again.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.check")
local keys = require("lib.keys")
local session = require("lib.session")
local series = require("lib.series")

local now, request, queues = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)

local s, again = session.open(now, request)
if again then
  return again
end

local number = 0
for _, queue in ipairs(names) do
  number = number + redis.call("ZREM", keys.queues(), queue)
  local packed = redis.call("GET", keys.current(queue))
  if packed then
    series.file(s, queue, cmsgpack.unpack(packed))
    redis.call("DEL", keys.current(queue))
  end
end

return session.close(s, number)
