-- worker_beat(now, request, worker, info) -> command
-- Says that a worker lives; info, if any, replaces what it said of itself. The reply is the command
-- that waits for the worker and is now forgotten, or nothing.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.check")
local keys = require("lib.keys")
local session = require("lib.session")

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

return session.close(s, redis.call("GETDEL", keys.worker_command(worker)) or "")
