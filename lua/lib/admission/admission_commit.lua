-- Writes the outcome of a choice of jobs at once: which jobs left which subqueues, which are parked
-- where, and how much each user has used.

local fairness = require("lib.admission.fairness")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local subqueues = require("lib.admission.subqueues")

local admission_commit = {}

-- Removes the members that are done with from a subqueue.
local function remove_consumed(self, subqueue)
  if #subqueue.consumed == 0 then
    return
  end
  redis.call("ZREM", subqueue.key, unpack(subqueue.consumed))
  if subqueue.gate ~= "" then
    local jids = {}
    for i, member in ipairs(subqueue.consumed) do
      jids[i] = string.sub(member, 13)
    end
    redis.call("ZREM", keys.throttled(self.queue), unpack(jids))
    redis.call("ZREM", keys.parked(subqueue.gate), unpack(jids))
  elseif subqueue.user ~= "" then
    for _, member in ipairs(subqueue.consumed) do
      self.left_shared[#self.left_shared + 1] = member
    end
  end
end

-- Updates the users that have subqueues after one has changed.
local function update_users(self, subqueue)
  local queue, user, gate = self.queue, subqueue.user, subqueue.gate
  if subqueue.key == keys.waiting(queue) or subqueue.seen == 0 then
    return
  elseif #subqueue.consumed > 0 and fairness.is_empty(subqueue) then
    subqueues.remove_empty(queue, user, gate)
  elseif subqueue.is_capped or subqueue.sleeps then
    redis.call("ZADD", keys.queue_users(queue, gate), "XX", "+inf", user)
    if not subqueue.is_capped then
      redis.call("SADD", keys.capped(gate), queue .. "/" .. user)
    end
  end
end

-- Raises the stored start of users that turned out to come later, so that later pops need not look
-- them up again.
local function raise_starts(self)
  local by_gate = {}
  for _, known in ipairs(self.order.stored_starts) do
    local gate, name, score = unpack(known)
    local start = self.order.by_name[name].start
    if start > score and start > self.order.virtual then
      local scores = by_gate[gate] or {}
      scores[#scores + 1], scores[#scores + 2] = start, name
      by_gate[gate] = scores
    end
  end
  for gate, scores in pairs(by_gate) do
    redis.call("ZADD", keys.queue_users(self.queue, gate), "XX", unpack(scores))
  end
end

local function park(self)
  local saved = {}
  for _, one in ipairs(self.parked) do
    local job, score, gate = unpack(one)
    subqueues.place(self.s, job, score, gate)
    saved[#saved + 1], saved[#saved + 2] = keys.job(job.jid), job_lib.pack(job)
    if score >= limits.costly and not self.shut_gates[gate] then
      redis.call("ZADD", keys.open(self.queue), "LT", self.s.now_text, gate)
    end
  end
  for _, job in ipairs(self.refused_in_place) do
    saved[#saved + 1], saved[#saved + 2] = keys.job(job.jid), job_lib.pack(job)
  end
  if #saved > 0 then
    redis.call("MSET", unpack(saved))
  end
end

-- Closes gates whose users are all asleep, until one of them is woken.
local function close_sleeping_gates(self)
  for _, gate in ipairs(self.gates) do
    local first = redis.call("ZRANGE", keys.queue_users(self.queue, gate), 0, 0, "WITHSCORES")[2]
    if tonumber(first) == math.huge then
      redis.call("ZADD", keys.open(self.queue), "XX", "+inf", gate)
    end
  end
end

-- One call looks at a limited number of gates. Where more may be open, those that it looked at move
-- behind all others, so that each has its turn. Scores are milliseconds; a fraction orders several
-- calls of one millisecond.
local function rotate_gates(self)
  if #self.gates < limits.gates then
    return
  end
  local key = keys.open(self.queue)
  local last = redis.call("ZREVRANGEBYSCORE", key, "(+inf", "-inf", "WITHSCORES", "LIMIT", 0, 1)[2]
  local score = string.format("%.3f", math.max(self.s.now, tonumber(last or 0) + 0.001))
  for _, gate in ipairs(self.gates) do
    redis.call("ZADD", key, "XX", score, gate)
  end
end

-- One call looks at a limited number of gates; there may be more that are open.
local function check_further_gates(self)
  if #self.gates == limits.gates
    and redis.call("ZCOUNT", keys.open(self.queue), "-inf", "(+inf") > 0 then
    self.is_stopped = true
  end
end

local function set_virtual(self, virtual)
  if virtual ~= tonumber(self.virtual_before) then
    redis.call("HSET", keys.meta(), "fair:" .. self.queue, string.format("%.17g", virtual))
  end
end

-- Forgets the users that have used least, once far more are remembered than have ready jobs: the
-- virtual time stands still while each user is served only once, so none becomes level with it. A
-- user that is forgotten gains no more than what it had used beyond the virtual time.
local function forget_users(self, key)
  local ready = redis.call("ZCARD", keys.queue_users(self.queue, ""))
  local excess = redis.call("ZCARD", key) - 2 * ready - limits.remembered
  if excess > 0 then
    redis.call("ZREMRANGEBYRANK", key, 0, excess - 1)
  end
end

-- Stores how much each user has used. A few users that are level with the virtual time are
-- forgotten.
local function store_usage(self)
  local key, virtual = keys.finish(self.queue), self.order.virtual
  local scores = {}
  for name, user in pairs(self.order.by_name) do
    if user.is_charged then
      scores[#scores + 1], scores[#scores + 2] = user.start, name
    end
  end
  if #scores > 0 then
    redis.call("ZADD", key, unpack(scores))
    forget_users(self, key)
  end
  if virtual > tonumber(self.virtual_before) then
    local old = redis.call("ZRANGEBYSCORE", key, "-inf", virtual, "LIMIT", 0, limits.housekeeping)
    if #old > 0 then
      redis.call("ZREM", key, unpack(old))
    end
  end
  set_virtual(self, virtual)
end

-- An empty queue starts again from zero: while nothing waits, no user gains a claim.
local function reset_empty_queue(self)
  local queue = self.queue
  redis.call("UNLINK", keys.finish(queue))
  self.virtual_before = self.order.virtual
  set_virtual(self, 0)
end

-- `self` is the state of the choice in lib.admission.admission.
function admission_commit.write(self)
  for _, subqueue in pairs(self.order.subqueues) do
    remove_consumed(self, subqueue)
    update_users(self, subqueue)
  end
  if #self.left_shared > 0 then
    redis.call("ZREM", keys.shared(self.queue), unpack(self.left_shared))
  end
  for id, holders_of in pairs(self.new_holders) do
    redis.call("ZADD", keys.holders(id), unpack(holders_of))
  end
  raise_starts(self)
  park(self)
  store_usage(self)
  rotate_gates(self)
  if not self.is_done then
    return
  end
  close_sleeping_gates(self)
  check_further_gates(self)
  local queue = self.queue
  if redis.call("EXISTS", keys.waiting(queue), keys.shared(queue), keys.throttled(queue)) == 0 then
    reset_empty_queue(self)
  end
end

return admission_commit
