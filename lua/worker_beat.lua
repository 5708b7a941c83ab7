-- worker_beat(now, request, worker, info) -> command
-- Records that a worker is alive. Info, if not empty, replaces its info. The reply is the command
-- that was waiting for the worker, which is then removed, or nothing.
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

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

redis.call("ZADD", keys.workers(), s.now, worker)
if info ~= "" then
  redis.call("SET", keys.worker_info(worker), info)
end

-- The command, unless it is so old that nobody expects it to be carried out.
local function command()
  local key = keys.worker_command(worker)
  local kept = redis.call("GET", key)
  if not kept then
    return ""
  end
  redis.call("DEL", key)
  local at, what = string.match(kept, "^(%d+):(%l+)$")
  return at and s.now - tonumber(at) <= limits.command and what or ""
end

return session.close(s, command())
