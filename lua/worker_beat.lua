-- worker_beat(now, request, worker, info) -> command
-- Says that a worker lives; info, if any, replaces what it said of itself. The reply is the command
-- that waits for the worker and is now forgotten, or nothing.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, request, worker, info = unpack(ARGV)
check.name("worker", worker)
check.text("info", info, 65536)

local s, again = session.open(now, request)
if again then
  return again
end

redis.call("ZADD", keys.workers(), s.now, worker)
if info ~= "" then
  redis.call("SET", keys.worker_info(worker), info)
end

-- The command that waits, unless it is so old that whoever gave it has given up.
local function command()
  local key = keys.worker_command(worker)
  local kept = redis.call("GET", key)
  if not kept then
    return ""
  end
  redis.call("DEL", key)
  local at, what = string.match(kept, "^(%d+):(%l+)$")
  return s.now - tonumber(at) <= limits.command and what or ""
end

return session.close(s, command())
