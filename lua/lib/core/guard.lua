-- The table `redis` of every other file: the assembler sees to that. A key of another type than its
-- name says is set aside when a command meets it: it is renamed, so its bytes are kept, it is
-- listed, and the command goes on as if the key did not exist. A query reads it as empty.

local call = require("lib.core.call")
local keys = require("lib.core.keys")

local run = redis.pcall

local guard = { pcall = run, call = 0, quarantine = 0, sha1hex = redis.sha1hex }

-- Sets a key aside; returns whether that was possible. Nine copies of one key are kept, should it
-- become unreadable again.
function guard.quarantine(key)
  local name = string.sub(key, #call.namespace + 2)
  local copy, number = name, 1
  while number < 9 and run("EXISTS", keys.quarantined_copy(copy)) == 1 do
    number = number + 1
    copy = name .. "#" .. number
  end
  local done = not call.is_query and run("RENAME", key, keys.quarantined_copy(copy))
  if not done or done.err then
    return false
  end
  local time = run("TIME")
  guard.call("ZADD", keys.quarantined(), time[1] .. string.sub("00000" .. time[2], -6, -4), copy)
  run("PUBLISH", keys.channel("log"), '{"event":"quarantined","key":' .. cjson.encode(copy) .. "}")
  return true
end

-- Goes on after an error that is about what the key holds: its type, or a counter that is no
-- number. Raises any other.
local function refused(reply, ...)
  local command, key = ...

  -- What a query reads of a key that does not exist.
  local function nothing(number)
    local empty = { GET = false, HGET = false, ZSCORE = false, ZRANK = false, STRLEN = 0,
      ZCARD = 0, SCARD = 0, HLEN = 0, ZCOUNT = 0, SISMEMBER = 0, HEXISTS = 0 }
    if empty[command] ~= nil then
      return empty[command]
    end
    local list = {}
    for i = 1, (command == "HMGET" or command == "ZMSCORE") and number - 2 or 0 do
      list[i] = false
    end
    return list
  end

  local is_type = string.find(reply.err, "WRONGTYPE", 1, true)
  local is_counter = string.find(reply.err, "hash value is not", 1, true)
    or string.find(reply.err, "would overflow", 1, true)
  if call.is_query and is_type then
    return nothing(select("#", ...))
  elseif (is_type or (is_counter and key ~= keys.meta())) and guard.quarantine(key) then
    return guard.call(...)
  end
  error(reply)
end

function guard.call(...)
  local reply = run(...)
  if type(reply) == "table" and reply.err then
    return refused(reply, ...)
  end
  return reply
end

return guard
