-- Chooses the jobs of a queue that may run now, where jobs have users or throttles, or the queue
-- has a throttle of its own. A job needs room in all its throttles at once: that of the queue, that
-- of its user, and those that it names. A job that is refused is parked where it costs other jobs
-- nothing until there is room.

local admission_commit = require("lib.admission.admission_commit")
local fairness = require("lib.admission.fairness")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease_out = require("lib.queue.lease_out")
local limits = require("lib.core.limits")
local subqueues = require("lib.admission.subqueues")
local throttle_wakeup = require("lib.admission.throttle_wakeup")
local throttles = require("lib.admission.throttles")

local admission = {}

-- Throttles that the next pops look into.
local function open_gates(queue)
  return redis.call("ZRANGEBYSCORE", keys.open(queue), "-inf", "(+inf", "LIMIT", 0, limits.gates)
end

local function new(s, queue, virtual, wanted, gates)
  local function on_users(names)
    local ids = {}
    for i, name in ipairs(names) do
      ids[i] = "user:" .. name
    end
    throttles.prepare(s, ids)
  end
  return { s = s, queue = queue, budget = s.examine_budget or limits.examined + wanted,
    queue_throttle = throttles.get(s, "queue:" .. queue),
    gates = gates, order = fairness.new(queue, tonumber(virtual), gates, wanted, on_users),
    -- what admission_commit writes
    virtual_before = virtual, admitted = {}, parked = {}, refused_in_place = {}, shut_gates = {},
    new_holders = {}, left_shared = {} }
end

-- Leaves a gate out for the rest of this call, and until there is room again.
local function shut_gate(self, id)
  self.shut_gates[id] = true
  fairness.leave_out_gate(self.order, id)
  if not self.is_forecast then
    redis.call("ZREM", keys.open(self.queue), id)
  end
end

-- Counts one more refusal of a job. After too many, slots are reserved for it.
local function count_refusal(self, job)
  local record = job.record
  record.passed = (record.passed or 0) + 1
  if record.passed >= limits.refusals and not self.is_forecast then
    throttles.reserve(self.s, job)
  end
end

-- A job that costs more than its throttle can ever hold, as it is now, moves to the end of its
-- subqueue, the most expensive last. When the cheapest of those is refused again the subqueue is
-- put to sleep.
local function move_to_end(self, found, job, id)
  if job.record.gate == id and found.score >= limits.costly then
    fairness.leave_out_subqueue(found.subqueue)
    found.subqueue.sleeps = true
    return
  end
  fairness.consume(found)
  local score = limits.costly + throttles.cost(job.record, id) * limits.costly_by
  self.parked[#self.parked + 1] = { job, score, id }
end

-- The job stays in its subqueue, or moves to the gate of the throttle that refused it. That gate is
-- shut.
local function refuse(self, found, job, id)
  local record, is_at_end = job.record, found.score >= limits.costly
  count_refusal(self, job)
  if record.gate == id and not is_at_end then
    self.refused_in_place[#self.refused_in_place + 1] = job
  else
    fairness.consume(found)
    local score = is_at_end and -(record.priority or 0) or found.score
    self.parked[#self.parked + 1] = { job, score, id }
  end
  shut_gate(self, id)
end

local function check_again_at(self, id, at)
  if at and not self.is_forecast then
    throttles.check_again_at(self.s, id, at)
  end
end

-- Gives up the slots reserved for a job. Jobs refused because of that reservation are considered by
-- a call of their own.
local function give_up_reservation(self, job)
  for _, id in ipairs(self.is_forecast and {} or throttles.unreserve(self.s, job)) do
    if redis.call("EXISTS", keys.throttle_queues(id)) == 1 then
      throttle_wakeup.open(self.s, id)
      self.is_stopped = true
    end
  end
end

-- The user has reached its own limit: its subqueue is left out until there is room. Meanwhile
-- others may use the slots reserved for its job.
local function leave_out_user(self, found, job, id)
  local subqueue = found.subqueue
  subqueue.is_capped = true
  if job.record.passed then
    give_up_reservation(self, job)
    self.refused_in_place[#self.refused_in_place + 1] = job
  end
  if not self.is_forecast then
    redis.call("SADD", keys.capped(id), self.queue .. "/" .. subqueue.gate)
  end
  fairness.leave_out_user(self.order, found.user)
end

-- Whether other jobs of the queue are parked on a throttle already; this one must not overtake
-- them.
local function is_behind(self, job, id)
  local record = throttles.get(self.s, id).record
  local reserved = record and record.reserved
  if job.record.gate == id or (reserved and reserved.jid == job.jid) then
    return false
  elseif self.shut_gates[id] == nil then
    self.shut_gates[id] = subqueues.is_shut(self.queue, id)
  end
  return self.shut_gates[id]
end

-- The first of the job's own throttles that refuses it, and the reason; nil when none does.
local function refused_by(self, job)
  for _, id in ipairs(job.record.throttles or {}) do
    local entry = throttles.get(self.s, id)
    local reason, at = throttles.refusal(self.s, entry, job.jid, throttles.cost(job.record, id))
    check_again_at(self, id, at)
    if reason or is_behind(self, job, id) then
      return id, reason or "behind"
    end
  end
  return nil
end

local function user_refuses(self, job)
  local id = job.record.user and "user:" .. job.record.user
  local reason, at
  if id then
    reason, at = throttles.refusal(self.s, throttles.get(self.s, id), job.jid, 1)
    check_again_at(self, id, at)
  end
  return reason and id
end

local function take_slots(self, job)
  local s, record = self.s, job.record
  for _, id in ipairs(throttles.held_by(record)) do
    throttles.pay(throttles.get(s, id), throttles.cost(record, id))
    local entries = self.new_holders[id] or {}
    entries[#entries + 1], entries[#entries + 2] = s.now_text, job.jid
    self.new_holders[id] = entries
  end
  throttles.pay(self.queue_throttle, 1)
end

local function is_over(self, job)
  local ends = job.record.expires
  if self.is_forecast then
    return ends and ends <= self.s.now
  end
  return ends and require("lib.job.expiry").fail_if_over(self.s, job)
end

local function admit(self, found, job)
  local record = job.record
  fairness.consume(found)
  record.gate = nil
  if record.passed then
    give_up_reservation(self, job)
  end
  if is_over(self, job) then
    return
  end
  take_slots(self, job)
  fairness.charge(self.order, found.user)
  self.admitted[#self.admitted + 1] = job
end

local function examine(self, found, job)
  local capped = user_refuses(self, job)
  if capped then
    leave_out_user(self, found, job, capped)
    return
  end
  local id, why = refused_by(self, job)
  if why == "cost" then
    move_to_end(self, found, job, id)
  elseif id then
    refuse(self, found, job, id)
  else
    admit(self, found, job)
  end
end

-- Decides about the next job; returns whether to continue.
local function decide(self, found)
  local reason, at = throttles.refusal(self.s, self.queue_throttle, found.jid, 1)
  if reason then
    check_again_at(self, self.queue_throttle.id, at)
    return false
  end
  local job = job_lib.find(found.jid)
  if not job or job.record.queue ~= self.queue
    or (job.record.gate or "") ~= found.subqueue.gate then
    fairness.consume(found)
  else
    examine(self, found, job)
  end
  return true
end

local function choose(self, wanted)
  while #self.admitted < wanted do
    local found = fairness.next(self.order)
    if not found then
      self.is_stopped = self.is_stopped or self.order.is_cut
      self.is_done = not self.order.is_cut
      return
    elseif self.budget <= 0 then
      self.is_stopped = true
      return
    end
    self.budget = self.budget - 1
    if not decide(self, found) then
      return
    end
  end
end

-- A job with a reservation goes first once its gate opens; jobs before it would find no free slot.
local function choose_reserved(self, wanted)
  for _, id in ipairs(self.gates) do
    local record = throttles.get(self.s, id).record
    local reserved = record and record.reserved
    local is_here = reserved and reserved.queue == self.queue and #self.admitted < wanted
    local job = is_here and job_lib.find(reserved.jid)
    if job and job.record.queue == self.queue and job.record.gate == id then
      self.budget = self.budget - 1
      decide(self, fairness.early(self.order, job, tonumber(subqueues.score(job)) or 0))
    end
  end
end

-- Leases at most `wanted` jobs of a queue; `virtual` is its virtual time as text. Sets s.has_more
-- when it had to stop before all jobs were examined.
function admission.take(s, queue, virtual, wanted, to, found)
  local self = new(s, queue, virtual, wanted, open_gates(queue))
  choose_reserved(self, wanted)
  choose(self, wanted)
  s.examine_budget = self.budget
  admission_commit.write(self)
  s.has_more = s.has_more or self.is_stopped
  lease_out.jobs(s, queue, self.admitted, to, found)
end

-- Throttles that the next pops look into, and those that they open first because an instant has
-- come.
local function gates_of_next_pop(s, queue)
  local gates = open_gates(queue)
  local due = redis.call("ZRANGEBYSCORE", keys.due(), "-inf", s.now_text, "LIMIT", 0, limits.tasks)
  for _, task in ipairs(due) do
    local id = string.match(task, "^throttle:(.+)$")
    if id and redis.call("EXISTS", keys.queue_users(queue, id)) == 1
      and not redis.call("ZSCORE", keys.open(queue), id) then
      gates[#gates + 1] = id
    end
  end
  return gates
end

-- The parked jobs that a pop would lease now, without writing. `s` is the session of a query.
function admission.forecast(s, queue, virtual)
  s.throttles = nil
  local self = new(s, queue, virtual, limits.call, gates_of_next_pop(s, queue))
  self.is_forecast = true
  for _, id in ipairs(self.gates) do
    self.shut_gates[id] = false
  end
  choose_reserved(self, limits.call)
  choose(self, limits.call)
  s.examine_budget = self.budget
  local jids = {}
  for _, job in ipairs(self.admitted) do
    if job.record.state == "throttled" then
      jids[#jids + 1] = job.jid
    end
  end
  return jids
end

return admission
