-- worker_command(now, request, workers, command) -> number of workers
-- Tells workers to do something, at once over their channels and with the answer to the next beat;
-- a later command takes the place of one that was not heard. Unknown workers are left out.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, request, workers, command = unpack(ARGV)
local names = check.packed_names("workers", workers, 1)
check.one_of("command", command, { quiet = true, resume = true, stop = true, restart = true })

local s, again = session.open(now, request)
if again then
  return again
end

local number = 0
for _, worker in ipairs(names) do
  if redis.call("ZSCORE", keys.workers(), worker) then
    redis.call("SET", keys.worker_command(worker), s.now_text .. ":" .. command)
    session.publish(s, "worker:" .. worker, '{"event":"command","command":"' .. command .. '"}')
    number = number + 1
  end
end

return session.close(s, number)
