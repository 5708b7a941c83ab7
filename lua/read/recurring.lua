-- recurring(now, queue, offset, count) -> {total, jobs}
-- Pages through the recurring jobs of a queue, the one that is due first in front.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local recurrence = require("lib.recurring.recurrence")
local session = require("lib.core.session")
local view = require("lib.job.view")

local now, queue, offset, count = unpack(ARGV)
check.name("queue", queue)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.call)
session.read(now)

local key = keys.queue_recurring(queue)
local shown = {}
local jids = size > 0 and redis.call("ZRANGE", key, from, from + size - 1) or {}
for _, jid in ipairs(jids) do
  local found = recurrence.find(jid)
  if found then
    shown[#shown + 1] = view.recurring(found)
  end
end

return cmsgpack.pack({ total = redis.call("ZCARD", key), jobs = shown })
