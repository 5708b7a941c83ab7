-- Recurring jobs: their ticks, and the children that are put when ticks are due. A child is put
-- with the time of its tick. The number in its jid only grows, and it never overwrites an existing
-- job.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local put = require("lib.job.put")
local queue_lib = require("lib.queue.queue")
local runs = require("lib.recurring.runs")
local schedule = require("lib.recurring.schedule")
local session = require("lib.core.session")
local stats = require("lib.stats.stats")

local recurrence = {}

-- The options that every child gets unchanged.
recurrence.CHILD_OPTIONS = { "priority", "retries", "tags", "codec", "expires_in", "soft_limit",
  "hard_limit", "retry", "user", "throttles", "costs", "context" }

-- Milliseconds after which another client is asked for ticks.
recurrence.ASK_AGAIN_AFTER = 10000

local DAY = 86400000

-- Checks a jid, leaving room for the number of a child.
function recurrence.check_jid(jid)
  check.name("jid", jid)
  if #jid > 100 then
    errors.bad("the jid of a recurring job has at most 100 characters")
  end
end

function recurrence.find(jid)
  local value = redis.call("GET", keys.recurring(jid))
  return value and job_lib.parse(jid, value, keys.recurring(jid)) or nil
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

-- Removes a recurring job from every index and deletes it.
function recurrence.remove(self)
  local record = self.record
  redis.call("ZREM", keys.queue_recurring(record.queue), self.jid)
  redis.call("ZREM", keys.refills(), self.jid)
  if record.group then
    redis.call("SREM", keys.declared(record.group), self.jid)
  end
  redis.call("DEL", keys.recurring(self.jid))
end

-- Has a client asked for ticks at an instant.
function recurrence.ask_at(jid, at)
  redis.call("ZADD", keys.refills(), at, jid)
  queue_lib.set_due("refill", at)
end

function recurrence.is_short(record)
  return not record.final and #record.ticks < limits.few_ticks
end

-- Sets the instant at which a client is asked: now if few ticks are left, unless one was asked a
-- moment ago; otherwise in a day, since time zone data may have changed.
local function set_request_time(s, self)
  local record = self.record
  if not record.cron or record.paused or record.over then
    redis.call("ZREM", keys.refills(), self.jid)
    return
  end
  local is_short = recurrence.is_short(record)
  local noted = tonumber(redis.call("ZSCORE", keys.refills(), self.jid) or math.huge)
  if noted > s.now + (is_short and recurrence.ASK_AGAIN_AFTER or DAY) then
    recurrence.ask_at(self.jid, s.now + (is_short and 0 or DAY))
  end
end

-- Sets the next tick. A job that is paused, over or waiting for ticks is never due.
local function place(self, tick)
  local record = self.record
  record.over = schedule.is_over(record, tick) or nil
  record.slot = nil
  if record.paused or record.over or not tick then
    record.slot = record.interval and tick
    tick = "+inf"
  end
  redis.call("ZADD", keys.queue_recurring(record.queue), tick, self.jid)
  return tick
end

-- Sets the next tick, and the instant of the task that checks it.
function recurrence.set_tick(s, self, tick)
  local queue = self.record.queue
  tick = place(self, tick)
  if tick ~= "+inf" then
    queue_lib.set_due("recurring:" .. queue, tick)
    if tick - s.now < 2000 then
      queue_lib.wake(queue)
    end
  end
  set_request_time(s, self)
end

-- Continues with ticks that have just arrived. If more are needed, another client is asked later.
function recurrence.refilled(s, self)
  redis.call("ZREM", keys.refills(), self.jid)
  if recurrence.is_short(self.record) then
    recurrence.ask_at(self.jid, s.now + recurrence.ASK_AGAIN_AFTER)
  end
  recurrence.set_tick(s, self, self.record.ticks[1])
end

-- The next tick, also of a paused job; nil when none is known.
function recurrence.tick(self)
  local record = self.record
  if record.cron then
    return record.ticks[1]
  end
  return record.slot or tonumber(redis.call("ZSCORE", keys.queue_recurring(record.queue), self.jid))
end

-- Copies the options that children get unchanged.
function recurrence.copy_child_options(from, to)
  for _, name in ipairs(recurrence.CHILD_OPTIONS) do
    to[name] = from[name] or nil
  end
end

local function child_jid(self, number)
  return self.jid .. "-" .. string.format("%.0f", number)
end

local function jid_exists(jid)
  return redis.call("EXISTS", keys.job(jid), keys.recurring(jid)) > 0
end

-- The jid of the next child. It gets the next number, or a later one if that jid exists.
local function next_child(s, self)
  local record = self.record
  local number = (record.count or 0) + 1
  for _ = 1, limits.call do
    if not jid_exists(child_jid(self, number)) then
      break
    end
    number = math.max(session.next(s), number + 1)
  end
  record.count = number
  return child_jid(self, number)
end

-- Puts one child with the time `tick`; returns its jid. The caller saves the recurring job.
function recurrence.spawn(s, self, tick)
  local record = self.record
  local spec = {
    jid = next_child(s, self),
    klass = record.klass,
    queue = record.queue,
    data = self.data,
    spawned_from = self.jid,
  }
  recurrence.copy_child_options(record, spec)
  put.carry_out(s, spec, nil, nil, tick)
  runs.add(record, record.count, tick)
  return spec.jid
end

local function last_child_is_unfinished(self)
  local last = job_lib.find(child_jid(self, self.record.count or 0))
  local state = last and last.record.state
  return state and state ~= "complete" and state ~= "failed"
end

-- Puts the child of a tick, or none because of the option overlap; returns whether it did.
local function fire(s, self, tick)
  if self.record.overlap == "skip" and last_child_is_unfinished(self) then
    runs.add_skipped(self.record, tick)
    return false
  end
  recurrence.spawn(s, self, tick)
  return true
end

-- Logs once that no client has sent the next ticks in time.
local function log_dry(s, self)
  local record = self.record
  if record.cron and #record.ticks == 0 and not record.over and not record.dry then
    record.dry = true
    session.publish(s, "log", '{"event":"schedule_dry","jid":"' .. self.jid .. '"}')
  end
end

-- Records how many ticks fired, and how late the last one did.
local function count_ticks(s, queue, number, last)
  if number > 0 then
    stats.add(s, queue, "ticks", number)
    stats.add(s, queue, "tick_late", s.now - last)
    stats.set(s, queue, "last_late", s.now - last)
  end
end

-- Puts at most `budget` children of one recurring job; returns how much of the budget that took.
local function make_children(s, self, tick, budget)
  local record = self.record
  local passed, number = schedule.due(s, record, tick, budget)
  local made = 0
  for i = passed, passed + number - 1 do
    if fire(s, self, schedule.at(record, tick, i)) then
      made = made + 1
    end
  end
  count_ticks(s, record.queue, number, schedule.at(record, tick, passed + number - 1))
  place(self, schedule.advance(s, record, tick, passed, number, made))
  log_dry(s, self)
  if record.cron then
    set_request_time(s, self)
  end
  recurrence.save(self)
  return math.max(number, 1)
end

-- Puts the children that are due in a queue; returns the budget that is left.
function recurrence.make_due(s, queue, budget)
  local due = redis.call("ZRANGEBYSCORE", keys.queue_recurring(queue), "-inf", s.now, "WITHSCORES",
    "LIMIT", 0, budget)
  for i = 1, #due, 2 do
    if budget <= 0 then
      return budget
    end
    local self = recurrence.find(due[i])
    if self then
      budget = budget - make_children(s, self, tonumber(due[i + 1]), budget)
    else
      redis.call("ZREM", keys.queue_recurring(queue), due[i])
      budget = budget - 1
    end
  end
  return budget
end

return recurrence
