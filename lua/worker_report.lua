-- worker_report(now, request, worker, command, text) -> whether the worker is known
-- Reports that a worker has carried out a command, with what it found: for dump, the stacks of its
-- threads. The worker's record of the command then says when that was, and so does the audit log.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local audit = require("lib.core.audit")
local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, request, worker, command, text = unpack(ARGV)
check.name("worker", worker)
check.one_of("command", command, limits.worker_commands)
check.text("text", text, 65536)

local s, earlier_reply = session.open(now, request, "config:audit-log")
if earlier_reply then
  return earlier_reply
end
if not redis.call("ZSCORE", keys.workers(), worker) then
  return session.close(s, false)
end

redis.call("HSET", keys.worker_report(worker), "done", command, "done_at", s.now_text, "text", text)
local entry = { who = worker, door = "worker", action = "worker " .. command, targets = worker,
  count = "1", outcome = "done" }
local limit = audit.limit(s, entry)
if limit > 0 then
  -- A user without the permission to write to the audit log can report all the same.
  pcall(audit.add, s, entry, limit)
end

return session.close(s, true)
