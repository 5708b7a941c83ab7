-- worker_deregister(now, request, workers) -> number of workers
-- Removes workers from the list. Jobs that one of them still holds return when their leases expire.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, request, workers = unpack(ARGV)
local names = check.packed_names("workers", workers, 1)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local number = 0
for _, worker in ipairs(names) do
  number = number + redis.call("ZREM", keys.workers(), worker)
  redis.call("DEL", keys.worker_info(worker), keys.worker_command(worker),
    keys.worker_report(worker))
end

return session.close(s, number)
