-- heartbeat(now, request, jid, lease, data) -> expires_at
-- Renews a lease to its full length from now. Data, if not empty, replaces that of the job.
-- Errors: BADARG TOOLARGE NOJOB LOSTLEASE FINISHED
-- Events: none
-- Flags: allow-oom

local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease_lib = require("lib.job.lease")
local session = require("lib.core.session")

local now, request, jid, lease, data = unpack(ARGV)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)
check.data(s, data)

local expires_at = lease_lib.extend(job, s.now + lease_lib.length_of(job.record.queue))
redis.call("ZADD", keys.workers(), s.now, job.record.worker)
if data ~= "" or job.record.grace then
  job.record.grace = nil
  if data ~= "" then
    job_lib.set_data(job, data)
  end
  job_lib.save(job)
end

return session.close(s, expires_at)
