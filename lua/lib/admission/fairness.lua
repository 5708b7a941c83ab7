-- The order in which the jobs of a queue get their turn: start-time fair queueing over its users
-- (Goyal, Vin and Cheng, 1996). A user's next job starts at the virtual time of the queue or where
-- the user's last job finished, whichever is later. The earliest start goes first, and a job takes
-- 1 / weight of its user. Within a user, priority decides, then age. Nothing here writes.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local stored = require("lib.core.stored")
local subqueues = require("lib.admission.subqueues")

local fairness = {}

local function comes_before(a, b)
  if a.start ~= b.start then
    return a.start < b.start
  end
  return a.name < b.name
end

local function insert(self, user)
  local list, low, high = self.users, 1, #self.users + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if comes_before(user, list[middle]) then
      high = middle
    else
      low = middle + 1
    end
  end
  table.insert(list, low, user)
end

-- A stored weight, 1 unless it is a positive number.
local function weight_of(text)
  local weight = tonumber(text)
  return weight and weight > 0 and weight < math.huge and weight or 1
end

local function add_users(self, names)
  if #names == 0 then
    return
  elseif self.on_users then
    self.on_users(names)
  end
  local tags = redis.call("ZMSCORE", keys.finish(self.queue), unpack(names))
  local weights = redis.call("HMGET", keys.weights(), unpack(names))
  for i, name in ipairs(names) do
    local user = { name = name, start = math.max(self.virtual, tonumber(tags[i]) or 0),
      weight = weight_of(weights[i]) }
    self.by_name[name] = user
    insert(self, user)
  end
end

-- Sets the bound up to which this gate's users are known, and whether this call will look up more.
-- `is_cut` says that more users may be left.
local function set_bound(self, group, flat)
  local last = #flat == 2 * self.batch and tonumber(flat[#flat]) or math.huge
  local has_more = last < math.huge
  group.bound = has_more and self.lookups < limits.lookups and last or nil
  self.is_cut = self.is_cut or (has_more and not group.bound)
end

-- Looks up the next users of a gate. Stored scores are never later than the true starts, so users
-- still to come start no earlier than the last one looked up.
local function load(self, group)
  local flat = redis.call("ZRANGE", keys.queue_users(self.queue, group.gate), group.at,
    group.at + self.batch - 1, "WITHSCORES")
  local names = {}
  self.lookups = self.lookups + 1
  set_bound(self, group, flat)
  for i = 1, #flat, 2 do
    local name, score = flat[i], tonumber(flat[i + 1])
    if score == math.huge then
      break
    elseif not self.by_name[name] then
      names[#names + 1] = name
      self.stored_starts[#self.stored_starts + 1] = { group.gate, name, score }
    end
  end
  group.at = group.at + #flat / 2
  add_users(self, names)
end

-- The state of a choice in a queue: its virtual time, and the open gates besides "". About `wanted`
-- jobs will be taken. `on_users`, if given, is called with the users whose turn may come.
function fairness.new(queue, virtual, gates, wanted, on_users)
  local self = { queue = queue, virtual = virtual or 0, users = {}, by_name = {}, subqueues = {},
    groups = {}, stored_starts = {}, lookups = 0, batch = math.min(wanted + 1, limits.users),
    on_users = on_users }
  for i = 0, #gates do
    self.groups[i + 1] = { gate = gates[i] or "", at = 0, bound = 0 }
  end
  if redis.call("EXISTS", keys.waiting(queue)) == 1 then
    add_users(self, { "" })
  end
  return self
end

local function load_enough(self)
  for _, group in ipairs(self.groups) do
    while group.bound
      and (not self.users[1] or self.users[1].start > math.max(self.virtual, group.bound)) do
      load(self, group)
    end
  end
end

local function fetch(subqueue)
  local last = subqueue.seen + subqueue.ahead - 1
  local flat = redis.call("ZRANGE", subqueue.key, subqueue.seen, last, "WITHSCORES")
  subqueue.flat, subqueue.at, subqueue.has_more = flat, 1, #flat == 2 * subqueue.ahead
  subqueue.seen = subqueue.seen + #flat / 2
  subqueue.ahead = math.min(subqueue.ahead * 2, limits.housekeeping)
end

local function subqueue_of(self, user, gate)
  local key = subqueues.key(self.queue, user, gate)
  local subqueue = self.subqueues[key]
  if not subqueue then
    subqueue = { key = key, user = user, gate = gate, seen = 0, ahead = 2, consumed = {},
      early = {} }
    self.subqueues[key] = subqueue
    fetch(subqueue)
  end
  return subqueue
end

-- The first member left that was not taken early.
local function next_member(subqueue)
  repeat
    if subqueue.at > #subqueue.flat and subqueue.has_more then
      fetch(subqueue)
    end
    local member = subqueue.flat[subqueue.at]
    local is_gone = member and subqueue.early[member]
    subqueue.at = is_gone and subqueue.at + 2 or subqueue.at
    if not is_gone then
      return member
    end
  until false
end

-- The first job left in a subqueue, or nil.
local function head(subqueue)
  local member = not subqueue.is_left_out and next_member(subqueue)
  if not member then
    return nil
  end
  return { subqueue = subqueue, member = member, score = tonumber(subqueue.flat[subqueue.at + 1]),
    jid = string.sub(member, 13) }
end

-- Equal scores go by age and arrival. Members are compared as numbers, since Lua in the server
-- compares text by its locale.
local function precedes(a, b)
  if a.score ~= b.score then
    return a.score < b.score
  end
  local age, number = stored.order(a.member)
  local other_age, other_number = stored.order(b.member)
  if age ~= other_age then
    return age < other_age
  end
  return number < other_number
end

local function best_of(self, user)
  local best
  for _, group in ipairs(self.groups) do
    local found = head(subqueue_of(self, user.name, group.gate))
    if found and (not best or precedes(found, best)) then
      best = found
    end
  end
  return best
end

-- The next job, {user, subqueue, member, score, jid}, or nil. It stays the same until it is
-- consumed, or its subqueue, gate or user is left out.
function fairness.next(self)
  load_enough(self)
  while self.users[1] do
    local user = self.users[1]
    local found = best_of(self, user)
    if found then
      found.user = user
      return found
    end
    table.remove(self.users, 1)
    load_enough(self)
  end
  return nil
end

-- Marks the job as considered in this call, whether it was popped or not.
function fairness.consume(found)
  local subqueue = found.subqueue
  subqueue.consumed[#subqueue.consumed + 1] = found.member
  if found.is_early then
    subqueue.early[found.member] = true
  else
    subqueue.at = subqueue.at + 2
  end
end

-- Whether nothing is left in a subqueue.
function fairness.is_empty(subqueue)
  if #subqueue.consumed < subqueue.seen then
    return false
  end
  return not subqueue.has_more or redis.call("EXISTS", subqueue.key) == 0
end

-- Charges a user for one job that was leased.
function fairness.charge(self, user)
  if user.start > self.virtual and user == self.users[1] then
    self.virtual = user.start
  end
  -- The second term moves the user on however large the virtual time has grown.
  user.start = user.start + math.max(1 / user.weight, user.start * 1e-15)
  user.is_charged = true
  for i, other in ipairs(self.users) do
    if other == user then
      table.remove(self.users, i)
      insert(self, user)
      return
    end
  end
end

-- Leaves a user out for the rest of this call.
function fairness.leave_out_user(self, user)
  for i, other in ipairs(self.users) do
    if other == user then
      table.remove(self.users, i)
      return
    end
  end
end

-- Leaves a subqueue out for the rest of this call.
function fairness.leave_out_subqueue(subqueue)
  subqueue.is_left_out = true
end

function fairness.leave_out_gate(self, gate)
  for i, group in ipairs(self.groups) do
    if group.gate == gate then
      table.remove(self.groups, i)
      return
    end
  end
end

-- A job that gets its turn before the others of its subqueue.
function fairness.early(self, job, score)
  local record = job.record
  local name = record.user or ""
  if not self.by_name[name] then
    add_users(self, { name })
  end
  return { user = self.by_name[name], subqueue = subqueue_of(self, name, record.gate),
    member = record.order .. job.jid, score = score, jid = job.jid, is_early = true }
end

return fairness
