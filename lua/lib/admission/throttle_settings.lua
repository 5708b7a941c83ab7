-- Settings of throttles: checking, storing and showing them.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local subqueues = require("lib.admission.subqueues")
local throttle_wakeup = require("lib.admission.throttle_wakeup")
local throttles = require("lib.admission.throttles")

local settings = {}

settings.OPTIONS = { concurrency = true, rate = true, per = true, burst = true }

local MAX_CONCURRENCY = 2147483647
-- In milliseconds.
local YEAR = 31557600000

-- Checks the id of a throttle: a name, or `queue:` or `user:` and a name.
function settings.check_id(what, value)
  local own = type(value) == "string"
    and (string.match(value, "^queue:(.*)$") or string.match(value, "^user:(.*)$"))
  check.name(what, own or value)
  return value
end

-- Checks the limits of a throttle: at least one, and none without effect.
function settings.check_limits(given)
  if given.concurrency == nil and given.rate == nil then
    errors.bad("a throttle needs concurrency, rate or both")
  elseif given.rate == nil and (given.per ~= nil or given.burst ~= nil) then
    errors.bad("per and burst need a rate")
  end
  check.count("concurrency", given.concurrency or 0, 0, MAX_CONCURRENCY)
  check.within("rate", given.rate or 1, limits.least, limits.most)
  check.count("per", given.per or 1000, 1, YEAR)
  check.within("burst", given.burst or 1, limits.least, limits.most)
end

local function set_bucket(s, record, given)
  local tokens = record.rate and record.tokens or math.huge
  record.rate, record.per, record.burst, record.tokens, record.at = nil, nil, nil, nil, nil
  if given.rate then
    local burst = given.burst or math.max(given.rate, 1)
    record.rate, record.per, record.burst = given.rate, given.per or 1000, burst
    record.tokens, record.at = math.min(tokens, burst), s.now
  end
end

-- A queue with a throttle of its own is fair: pop chooses its jobs.
local function mark_fair(s, id)
  local queue = throttles.queue_of(id)
  if queue then
    subqueues.mark_fair(s, queue)
    queue_lib.list(s, queue)
  end
end

-- Lists a user that has a setting, and no other.
function settings.list_user(s, user)
  local record = throttles.get(s, "user:" .. user).record
  if (record and record.concurrency) or redis.call("HEXISTS", keys.weights(), user) == 1 then
    redis.call("ZADD", keys.users(), "NX", s.now_text, user)
  else
    redis.call("ZREM", keys.users(), user)
  end
end

local function list_user_of(s, id)
  local user = throttles.user_of(id)
  if user then
    settings.list_user(s, user)
  end
end

-- Stores the record, or deletes it if it limits nothing, and wakes jobs that may run now.
local function store(s, id, record)
  local is_any = throttles.is_limited(record) or record.blocked_until
  throttles.set(s, id, is_any and record or nil)
  mark_fair(s, id)
  list_user_of(s, id)
  throttle_wakeup.settings_changed(s, id)
end

-- Replaces the limits; the tokens in the bucket are kept as far as they fit.
function settings.set(s, id, given)
  local record = throttles.get(s, id).record or {}
  record.concurrency = given.concurrency
  set_bucket(s, record, given)
  store(s, id, record)
end

-- Removes all limits; returns whether there were any.
function settings.delete(s, id)
  local existed = throttles.get(s, id).record ~= nil
  throttles.set(s, id, nil)
  list_user_of(s, id)
  throttle_wakeup.settings_changed(s, id)
  return existed
end

-- Blocks a throttle for `ms`: no job starts. With 0 the block ends. Returns the instant of the end,
-- or 0.
function settings.block(s, id, ms)
  local record = throttles.get(s, id).record or {}
  record.blocked_until = ms > 0 and s.now + ms or nil
  record.blocked_for = ms > 0 and ms or nil
  store(s, id, record)
  if ms > 0 then
    queue_lib.set_due("throttle:" .. id, record.blocked_until)
  end
  return record.blocked_until or 0
end

-- Blocks a throttle, but never shortens a block: several jobs may ask for one at once.
function settings.back_off(s, id, ms)
  local record = throttles.get(s, id).record
  local ends = record and record.blocked_until or 0
  return settings.block(s, id, math.max(ms, ends - s.now))
end

-- Adjusts a throttle after the clock was set back: a block lasts no longer than it was set for, and
-- reservations end.
function settings.adjust_to_clock(s, id)
  local entry = throttles.get(s, id)
  local record = entry.record
  if not record then
    return
  elseif record.blocked_until then
    record.blocked_until = math.min(record.blocked_until, s.now + record.blocked_for)
  end
  throttles.set_reservation(entry, nil)
  record.again = nil
  queue_lib.set_due("throttle:" .. id, s.now)
end

-- A throttle as replies show it, without its jobs; `set_at` if that is already known.
function settings.show(s, id, set_at)
  local record = throttles.get(s, id).record or {}
  local reserved, blocked = record.reserved, record.blocked_until
  local is_reserved = reserved and reserved["until"] > s.now
  return {
    throttle = id,
    concurrency = record.concurrency,
    rate = record.rate,
    per = record.per,
    burst = record.burst,
    tokens = record.tokens,
    blocked_until = blocked and blocked > s.now and blocked or nil,
    reserved = is_reserved and { jid = reserved.jid, ["until"] = reserved["until"] } or nil,
    set_at = tonumber(set_at or redis.call("ZSCORE", keys.throttles(), id) or nil),
    holding = throttles.holding(id),
    parked = redis.call("ZCARD", keys.parked(id)),
  }
end

-- A page of throttles, with the instants at which they were set.
function settings.show_all(s, ids, set_at)
  throttles.prepare(s, ids)
  local shown = {}
  for i, id in ipairs(ids) do
    shown[i] = settings.show(s, id, set_at[i])
  end
  return shown
end

-- A page of the jobs that hold a throttle, [jid, since] each, and one of those parked on it.
function settings.show_jobs(id, from, size)
  if size == 0 then
    return {}, {}
  end
  local queue = throttles.queue_of(id)
  local key = queue and keys.running(queue) or keys.holders(id)
  local flat = redis.call("ZRANGE", key, from, from + size - 1, "WITHSCORES")
  local held = {}
  for i = 1, #flat, 2 do
    if not queue or not redis.call("ZSCORE", keys.excused(id), flat[i]) then
      held[#held + 1] = { flat[i], tonumber(flat[i + 1]) }
    end
  end
  return held, redis.call("ZRANGE", keys.parked(id), from, from + size - 1)
end

return settings
