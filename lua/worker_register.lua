-- worker_register(now, request, worker, nonce, info) -> true
-- Registers a worker with its info before it takes its first job.
-- Errors: BADARG DEADWORKER
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, request, worker, nonce, info = unpack(ARGV)
check.name("worker", worker)
check.name("nonce", nonce)
check.text("info", info, 65536)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
if redis.call("ZSCORE", keys.dead(), nonce) then
  errors.raise("DEADWORKER", "The death of " .. nonce .. " was reported already")
end

redis.call("ZADD", keys.workers(), s.now, worker)
redis.call("SET", keys.worker_info(worker), info)

return session.close(s, true)
