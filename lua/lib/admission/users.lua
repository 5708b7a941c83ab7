-- Users: their weight in shared queues, and how many of their jobs may run at once. The latter is
-- the concurrency of the throttle `user:<user>`.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local settings = require("lib.admission.throttle_settings")
local throttles = require("lib.admission.throttles")

local users = {}

users.OPTIONS = { weight = true, max_running = true }

-- Checks settings: at least one of weight and max_running; false removes one.
function users.check(given)
  if given.weight == nil and given.max_running == nil then
    errors.bad("a user needs weight, max_running or both")
  end
  if given.weight then
    check.within("weight", given.weight, 0.001, 1000000)
  end
  if given.max_running then
    check.count("max_running", given.max_running, 0, 2147483647)
  end
end

local function set_max_running(s, user, number)
  local id = "user:" .. user
  local record = throttles.get(s, id).record or {}
  settings.set(s, id, { concurrency = number or nil, rate = record.rate, per = record.per,
    burst = record.burst })
end

local function shown_settings(s, user, weight)
  local record = throttles.get(s, "user:" .. user).record or {}
  return { weight = tonumber(weight or nil), max_running = record.concurrency }
end

-- The settings of a user, without those that are not set.
function users.settings(s, user)
  return shown_settings(s, user, redis.call("HGET", keys.weights(), user))
end

-- Changes the given settings. A new weight counts from the user's next job on.
function users.set(s, user, given)
  if given.weight then
    redis.call("HSET", keys.weights(), user, string.format("%.17g", given.weight))
  elseif given.weight == false then
    redis.call("HDEL", keys.weights(), user)
  end
  if given.max_running ~= nil then
    set_max_running(s, user, given.max_running)
  end
  settings.list_user(s, user)
  return users.settings(s, user)
end

-- Rows of a listing: settings, how many jobs of the user run, and how many are ready in a queue.
function users.show_all(s, names, queue)
  if #names == 0 then
    return {}
  end
  local ids, rows = {}, {}
  for i, user in ipairs(names) do
    ids[i] = "user:" .. user
  end
  throttles.prepare(s, ids)
  local weights = redis.call("HMGET", keys.weights(), unpack(names))
  for i, user in ipairs(names) do
    local shown = shown_settings(s, user, weights[i])
    shown.user, shown.weight = user, shown.weight or 1
    shown.running = redis.call("ZCARD", keys.holders(ids[i]))
    if queue ~= "" then
      shown.waiting = redis.call("ZCARD", keys.subqueue(queue, user, ""))
    end
    rows[i] = shown
  end
  return rows
end

return users
