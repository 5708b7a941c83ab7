-- heads(now, queues) -> milliseconds that the first waiting job of each queue has been ready
-- Shows how long the first job of each queue has waited, -1 where none waits. Scheduled jobs that
-- are due count from then.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local head = require("lib.queue.head")
local session = require("lib.core.session")

local now, queues = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)
local s = session.read(now)

local ages = {}
for i, queue in ipairs(names) do
  ages[i] = head.age(s, queue)
end

return cmsgpack.pack(ages)
