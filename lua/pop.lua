-- pop(now, request, queues, worker, count, options) -> {jobs, next, more, wake}
-- Does what is due in the namespace, then hands out up to count jobs of the queues, in their order.
-- Errors: BADARG DEADWORKER
-- Events: popped stalled lock_lost failed canceled put unpaused
-- Flags: allow-oom

local check = require("lib.check")
local duties = require("lib.duties")
local errors = require("lib.errors")
local handout = require("lib.handout")
local keys = require("lib.keys")
local lease = require("lib.lease")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")

local now, request, queues, worker, count, options = unpack(ARGV)
local names = check.packed_names("queues", queues, 1)
check.name("worker", worker)
local wanted = check.integer("count", count, 1, limits.call)
local nonce = check.options("options", options, { nonce = true }).nonce
check.name("nonce", nonce or "none")

local fields = { "config:heartbeat" }
for _, name in ipairs(names) do
  fields[#fields + 1] = "paused:" .. name
  fields[#fields + 1] = "config:" .. name .. "-heartbeat"
end
local s, again = session.open(now, request, unpack(fields))
if again then
  return require("lib.recall").reply(again)
end
if nonce and redis.call("ZSCORE", keys.dead(), nonce) then
  errors.raise("DEADWORKER", "The death of " .. nonce .. " was reported already")
end

local found, wake, held = {}, {}, {}

local function take(i, name)
  wake[i] = keys.wake(name)
  if queue_lib.is_paused(s, s.meta[7 + 2 * i]) then
    return
  end
  if #found < wanted then
    local length = lease.length(s.meta[8 + 2 * i], s.meta[8])
    handout.take(s, name, wanted - #found,
      { worker = worker, nonce = nonce or "-", length = length, held = held }, found)
  end
  -- The marker that woke this worker is gone; while work is left another worker is woken.
  if #found == wanted and redis.call("EXISTS", keys.waiting(name)) == 1 then
    queue_lib.wake(name)
  end
end

redis.call("ZADD", keys.workers(), s.stamp, worker)
local due = duties.run(s)
for i, name in ipairs(names) do
  take(i, name)
end

local reply = { jobs = found, next = due, more = due == 0, wake = wake }
-- The jobs may be large, so a resend reads them again.
local memory = #held > 0 and { held = held, next = due, more = due == 0, wake = wake }

return session.close(s, reply, memory)
