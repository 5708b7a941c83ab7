-- pop(now, request, queues, worker, count, options) -> {jobs, next, more, wake, refill}
-- Does what is due in the namespace, then hands out up to count jobs of the queues: names, patterns
-- with *, and after a ! what not to take. Options: nonce, order (ordered, round-robin, shuffled,
-- weighted), turn (which queue begins, or what to draw by), weights (of entries of queues).
-- Errors: BADARG DEADWORKER
-- Events: popped stalled lock_lost failed canceled put unpaused schedule_dry
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
local OPTIONS = { nonce = true, order = true, turn = true, weights = true }

-- The nonce; then the names of a plain list, or none yet and what lib.selection makes of the rest.
local function arguments()
  local given = check.options("options", options, OPTIONS)
  check.name("nonce", given.nonce or "none")
  if given.order or given.turn or given.weights or string.find(queues or "", "[!*]") then
    return given.nonce, {}, require("lib.selection").parse(queues, given)
  end
  return given.nonce, check.packed_names("queues", queues, 1)
end

local nonce, names, chosen = arguments()
check.name("worker", worker)
local wanted = check.integer("count", count, 1, limits.call)

-- The fields of meta that handing out of these queues needs.
local function wanted_fields()
  local fields = { "config:heartbeat" }
  for _, name in ipairs(names) do
    fields[#fields + 1] = "paused:" .. name
    fields[#fields + 1] = "config:" .. name .. "-heartbeat"
  end
  return fields
end

local s, again = session.open(now, request, unpack(wanted_fields()))
if again then
  return require("lib.recall").reply(again)
end
if nonce and redis.call("ZSCORE", keys.dead(), nonce) then
  errors.raise("DEADWORKER", "The death of " .. nonce .. " was reported already")
end

local found, wake, held, is_left = {}, {}, {}, false

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
    is_left = true
  end
end

local function take_chosen()
  local selection = require("lib.selection")
  names = selection.resolve(s, chosen)
  selection.look_up(s, wanted_fields())
  for i, name in ipairs(names) do
    if i <= limits.call or not is_left then
      take(i, name)
    end
  end
  wake = selection.markers(chosen, is_left)
end

redis.call("ZADD", keys.workers(), s.stamp, worker)
local due = duties.run(s)
if chosen then
  take_chosen()
else
  for i, name in ipairs(names) do
    take(i, name)
  end
end
if s.expired then
  require("lib.releases").after(s)
  due = 0 -- Jobs that were not handed out stood for others.
end

local reply = { jobs = found, next = due, more = due == 0, wake = wake, refill = s.refill }
-- The jobs may be large, so a resend reads them again.
local memory = #held > 0 and { held = held, next = due, more = due == 0, wake = wake }

return session.close(s, reply, memory)
