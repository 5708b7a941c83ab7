-- Deploy markers: when which version of the application was deployed. One hash holds a packed
-- record for each by its id.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local stored = require("lib.core.stored")

local deploys = {}

deploys.OPTIONS = { by = true, once = true }

-- Checks the name of a deploy: characters are counted, not bytes, as people see them.
function deploys.check_name(name)
  check.text("name", name, 4 * limits.deploy_name)
  local _, characters = string.gsub(name, "[^\128-\191]", "")
  if string.find(name, "%c") or characters < 1 or characters > limits.deploy_name then
    errors.bad("name is not 1 to " .. limits.deploy_name
      .. " characters of text without control characters")
  end
end

-- The record of a packed marker; nil if it cannot be used.
function deploys.parse(packed)
  local record = packed and stored.unpack(packed)
  local is_usable = record and type(record.name) == "string" and type(record.at) == "number"
  return is_usable and record or nil
end

local function is_newer(one, other)
  if one.at ~= other.at then
    return one.at > other.at
  end
  return (tonumber(one.id) or 0) > (tonumber(other.id) or 0)
end

-- All markers, the newest in front, and the ids of those that cannot be read.
local function all()
  local rows, unreadable = {}, {}
  local flat = redis.call("HGETALL", keys.deploys())
  for i = 1, #flat, 2 do
    local row = deploys.parse(flat[i + 1])
    if row then
      row.id = flat[i]
      rows[#rows + 1] = row
    else
      unreadable[#unreadable + 1] = flat[i]
    end
  end
  table.sort(rows, is_newer)
  return rows, unreadable
end

-- All markers, the newest in front.
function deploys.list()
  return (all())
end

local function find(rows, name)
  for _, row in ipairs(rows) do
    if row.name == name then
      return row
    end
  end
end

local function publish(s, event, row)
  session.publish(s, "log", '{"event":"' .. event .. '","deploy":"' .. row.id .. '","name":'
    .. events.quoted(row.name) .. "}")
end

-- Deletes the oldest markers, so that one more may be stored.
local function make_room(rows, unreadable)
  for _, id in ipairs(unreadable) do
    redis.call("HDEL", keys.deploys(), id)
  end
  for i = limits.deploys, #rows do
    redis.call("HDEL", keys.deploys(), rows[i].id)
  end
end

-- Stores a marker and returns it, with `is_new`. With `once`, a marker that has the name already is
-- returned instead.
function deploys.mark(s, name, given)
  local rows, unreadable = all()
  local known = given.once and find(rows, name)
  if known then
    known.is_new = false
    return known
  end
  make_room(rows, unreadable)
  local row = { name = name, at = s.now, by = given.by }
  local id = string.format("%.0f", session.next(s))
  redis.call("HSET", keys.deploys(), id, cmsgpack.pack(row))
  row.id, row.is_new = id, true
  publish(s, "deploy_marked", row)
  return row
end

-- Deletes a marker; returns whether there was one.
function deploys.remove(s, id)
  local row = deploys.parse(redis.call("HGET", keys.deploys(), id))
  if redis.call("HDEL", keys.deploys(), id) == 0 then
    return false
  end
  publish(s, "deploy_removed", { id = id, name = row and row.name or "" })
  return true
end

return deploys
