-- worker_command(now, request, workers, command) -> number of workers
-- Sends a command to workers: at once on their channels, and with the reply to the next
-- worker_beat. It replaces a command that is still waiting. Unknown workers are left out.
-- Errors: BADARG
-- Events: command
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, request, workers, command = unpack(ARGV)
local names = check.packed_names("workers", workers, 1)
check.one_of("command", command, limits.worker_commands)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

local number = 0
for _, worker in ipairs(names) do
  if redis.call("ZSCORE", keys.workers(), worker) then
    redis.call("SET", keys.worker_command(worker), s.now_text .. ":" .. command)
    redis.call("DEL", keys.worker_report(worker))
    redis.call("HSET", keys.worker_report(worker), "asked", command, "asked_at", s.now_text)
    session.publish(s, "worker:" .. worker, '{"event":"command","command":"' .. command .. '"}')
    number = number + 1
  end
end

return session.close(s, number)
