-- The table `redis` of every script; the assembler puts it in front. A key of another type than its
-- name says is set aside when a command meets it: it is renamed, so its bytes are kept, it is
-- listed, and the command goes on as if the key did not exist. A query reads it as empty.

local keys = require("lib.core.keys")

local is_query = ...
local run = redis.pcall

-- What a query reads of a key that does not exist; of others an empty list.
local EMPTY = { GET = false, HGET = false, ZSCORE = false, ZRANK = false, STRLEN = 0, ZCARD = 0,
  SCARD = 0, HLEN = 0, ZCOUNT = 0, SISMEMBER = 0, HEXISTS = 0 }
-- Copies of one key that are kept, should it become unreadable again.
local COPIES = 9

local guard = { pcall = run }

-- Sets a key aside; returns whether that was possible.
function guard.quarantine(key)
  local name = string.sub(key, #namespace + 2)
  local copy, number = name, 1
  while number < COPIES and run("EXISTS", keys.quarantined_copy(copy)) == 1 do
    number = number + 1
    copy = name .. "#" .. number
  end
  local done = not is_query and run("RENAME", key, keys.quarantined_copy(copy))
  if not done or done.err then
    return false
  end
  local time = run("TIME")
  guard.call("ZADD", keys.quarantined(), time[1] .. string.sub("00000" .. time[2], -6, -4), copy)
  run("PUBLISH", keys.channel("log"), '{"event":"quarantined","key":' .. cjson.encode(copy) .. "}")
  return true
end

local function nothing(command, number)
  local reply = EMPTY[command]
  if reply ~= nil then
    return reply
  end
  reply = {}
  for i = 1, (command == "HMGET" or command == "ZMSCORE") and number - 2 or 0 do
    reply[i] = false
  end
  return reply
end

-- Whether the error is about what the key holds: its type, or a counter that is no number.
local function is_about_key(text)
  return string.find(text, "WRONGTYPE", 1, true) or string.find(text, "hash value is not", 1, true)
    or string.find(text, "would overflow", 1, true)
end

local function refused(reply, ...)
  local command, key = ...
  if is_about_key(reply.err) then
    if is_query then
      return nothing(command, select("#", ...))
    elseif key ~= keys.meta() or string.find(reply.err, "WRONGTYPE", 1, true) then
      if guard.quarantine(key) then
        return guard.call(...)
      end
    end
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
