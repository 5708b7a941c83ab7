-- Remembers for a day what bulk actions have changed. An entry is the action, the jid, and what
-- lib.job.undo needs to go back; the one with the highest score is undone first.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local undo_list = {}

local function add(s, id, entries, sign)
  local key = keys.undo(id)
  local room = limits.undone - redis.call("ZCARD", key)
  local flat = {}
  for i = 1, math.min(#entries, room) do
    flat[#flat + 1] = sign * session.next(s)
    flat[#flat + 1] = cmsgpack.pack(entries[i])
  end
  if #flat > 0 then
    redis.call("ZADD", key, unpack(flat))
    redis.call("ZADD", keys.undos(), s.now + limits.undo, id)
  end
end

-- The entries of canceled jobs, parents last, so that they are restored first.
local function parents_last(entries)
  local jids, ordered = {}, {}
  for i, entry in ipairs(entries) do
    jids[i] = entry[2]
  end
  for i, jid in ipairs(require("lib.job.canceled_restore").parents_first(jids)) do
    ordered[#entries + 1 - i] = { "cancel", jid }
  end
  return ordered
end

-- Adds what one call has changed, as far as there is room.
function undo_list.note(s, id, action, entries)
  add(s, id, action == "cancel" and parents_last(entries) or entries, 1)
end

-- Adds entries that are undone after all others.
function undo_list.append(s, id, entries)
  add(s, id, entries, -1)
end

-- Takes the next entries out of the list.
function undo_list.take(id, size)
  local key = keys.undo(id)
  local found = redis.call("ZREVRANGE", key, 0, size - 1)
  if #found > 0 then
    redis.call("ZREM", key, unpack(found))
  end
  if redis.call("EXISTS", key) == 0 then
    redis.call("ZREM", keys.undos(), id)
  end
  return found
end

-- Deletes lists whose day is over, each as a whole; returns the budget that is left.
function undo_list.expire(s, budget)
  local ids = redis.call("ZRANGEBYSCORE", keys.undos(), "-inf", s.now, "LIMIT", 0, budget)
  for _, id in ipairs(ids) do
    redis.call("UNLINK", keys.undo(id))
    redis.call("ZREM", keys.undos(), id)
  end
  return budget - #ids
end

return undo_list
