-- hand_off(now, request, jid, lease, worker, ms) -> expires_at
-- Leaves a running job to another worker, under the same lease, for ms. The process that popped it
-- has no part in it any more: its death does not return the job. A heartbeat in this time never
-- shortens it.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease_lib = require("lib.job.lease")
local session = require("lib.core.session")

local now, request, jid, lease, worker, ms = unpack(ARGV)
check.name("worker", worker)
local length = check.integer("ms", ms, 1, 3155760000000)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)

local record = job.record
redis.call("ZREM", keys.worker_jobs(record.worker), jid)
record.worker, record.grace, record.handed_off = worker, nil, s.now + length
local expires_at = lease_lib.extend(job, s.now + length)
redis.call("ZADD", keys.workers(), s.now, worker)
history.add(job, s, "handed-off", { worker = worker, due = expires_at })
job_lib.save(job)

return session.close(s, expires_at)
