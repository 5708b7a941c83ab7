-- Recurring jobs: their slots and the children that come due. A child is put with the time of
-- its slot; the number in its jid grows for ever, and never overwrites a job that exists.

local check = require("lib.check")
local errors = require("lib.errors")
local job_lib = require("lib.job")
local keys = require("lib.keys")
local limits = require("lib.limits")
local queue_lib = require("lib.queue")
local session = require("lib.session")
local submission = require("lib.submission")

local recurrence = {}

local LONGEST = 3155760000000

local function check_tags(what, value)
  check.names(what, value, 0, limits.call)
end

local validators = {
  priority = check.finite,
  retries = function(what, value)
    check.count(what, value, 0, 2147483647)
  end,
  tags = check_tags,
  backlog = function(what, value)
    check.count(what, value, 0, 2147483647)
  end,
  codec = check.name,
  interval = function(what, value)
    check.count(what, value, 1, LONGEST)
  end,
  klass = check.line,
  queue = check.name,
  add_tags = check_tags,
  remove_tags = check_tags,
  paused = check.boolean,
}

-- What may be said of a new recurring job, and what may be changed of one.
recurrence.OPTIONS = { priority = true, retries = true, tags = true, backlog = true, codec = true }
recurrence.CHANGES = {}
for name in pairs(validators) do
  recurrence.CHANGES[name] = true
end

function recurrence.check_options(given)
  for name, value in pairs(given) do
    validators[name](name, value)
  end
end

-- The jid leaves room for the number of a child.
function recurrence.check_jid(jid)
  check.name("jid", jid)
  if #jid > 100 then
    errors.bad("the jid of a recurring job has at most 100 characters")
  end
end

function recurrence.find(jid)
  local value = redis.call("GET", keys.recurring(jid))
  return value and job_lib.parse(jid, value) or nil
end

function recurrence.load(jid)
  local found = recurrence.find(jid)
  if not found then
    errors.no_job(jid)
  end
  return found
end

function recurrence.save(self)
  redis.call("SET", keys.recurring(self.jid), job_lib.pack(self))
end

-- Sets the next slot; a paused one keeps it in its record and is never due.
function recurrence.set_slot(s, self, slot)
  local record = self.record
  if record.paused then
    record.slot = slot
    redis.call("ZADD", keys.slots(record.queue), "+inf", self.jid)
    return
  end
  record.slot = nil
  redis.call("ZADD", keys.slots(record.queue), slot, self.jid)
  queue_lib.due("recurring:" .. record.queue, slot)
  if slot - s.now < 2000 then
    queue_lib.wake(record.queue)
  end
end

-- The next slot, also of a paused one.
function recurrence.slot(self)
  local record = self.record
  return record.slot or tonumber(redis.call("ZSCORE", keys.slots(record.queue), self.jid))
end

local function append(list, present, tags_given)
  for _, tag in ipairs(tags_given or {}) do
    if not present[tag] then
      present[tag] = true
      list[#list + 1] = tag
    end
  end
end

local function change_tags(record, given)
  local list, present = {}, {}
  for _, tag in ipairs(given.remove_tags or {}) do
    present[tag] = true
  end
  append(list, present, given.tags or record.tags)
  append(list, present, given.add_tags)
  record.tags = #list > 0 and list or nil
end

-- Applies checked changes and returns the next slot.
function recurrence.change(s, self, given, slot)
  local record = self.record
  if given.interval then
    slot = math.max(slot + given.interval - record.interval, 0)
  end
  for _, name in ipairs({ "priority", "retries", "klass", "queue", "backlog", "interval" }) do
    if given[name] ~= nil then
      record[name] = given[name]
    end
  end
  change_tags(record, given)
  if given.paused == false and record.paused and slot <= s.now then
    slot = slot + (math.floor((s.now - slot) / record.interval) + 1) * record.interval
  end
  if given.paused ~= nil then
    record.paused = given.paused or nil
  end
  return slot
end

local function next_child(s, self)
  local record = self.record
  local number = (record.count or 0) + 1
  if redis.call("EXISTS", keys.job(self.jid .. "-" .. number)) == 1 then
    number = session.next(s)
  end
  record.count = number
  return self.jid .. "-" .. string.format("%.0f", number)
end

-- Puts one child as of `slot`; returns its jid. The caller saves the recurring job.
function recurrence.spawn(s, self, slot)
  local record = self.record
  local jid = next_child(s, self)
  submission.apply(s, submission.decide(s, {
    jid = jid,
    klass = record.klass,
    queue = record.queue,
    data = self.data,
    priority = record.priority,
    retries = record.retries,
    tags = record.tags,
    codec = record.codec,
    spawned_from = self.jid,
  }), slot)
  return jid
end

-- The first slot to make: earlier ones beyond the backlog are given up.
local function first_slot(s, record, slot)
  local backlog = record.backlog or 0
  local missed = math.floor((s.now - slot) / record.interval)
  if backlog > 0 and missed > backlog then
    return slot + (missed - backlog) * record.interval
  end
  return slot
end

-- Makes at most `budget` children of one recurring job; returns how many.
local function make_children(s, self, slot, budget)
  local record = self.record
  local made = 0
  slot = first_slot(s, record, slot)
  while slot <= s.now and made < budget do
    recurrence.spawn(s, self, slot)
    slot = slot + record.interval
    made = made + 1
  end
  redis.call("ZADD", keys.slots(record.queue), slot, self.jid)
  recurrence.save(self)
  return made
end

-- Makes what is due in a queue; returns the budget that is left.
function recurrence.make_due(s, queue, budget)
  local due = redis.call("ZRANGEBYSCORE", keys.slots(queue), "-inf", s.now, "WITHSCORES",
    "LIMIT", 0, budget)
  for i = 1, #due, 2 do
    if budget <= 0 then
      return budget
    end
    local self = recurrence.find(due[i])
    if self then
      budget = budget - make_children(s, self, tonumber(due[i + 1]), budget)
    else
      redis.call("ZREM", keys.slots(queue), due[i])
      budget = budget - 1
    end
  end
  return budget
end

return recurrence
