-- heartbeat_many(now, request, leases) -> list of expires_at or "CODE detail"
-- Renews up to 100 leases, given as [jid, lease], each answered by itself.
-- Errors: BADARG
-- Events: none
-- Flags: allow-oom

local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local lease_lib = require("lib.job.lease")
local session = require("lib.core.session")

local now, request, leases = unpack(ARGV)
local held, jids = lease_lib.check_all(leases, 0)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local lengths = {}

local function renew(job)
  local queue = job.record.queue
  lengths[queue] = lengths[queue] or lease_lib.length_of(queue)
  local expires_at = lease_lib.extend(job, s.now + lengths[queue])
  redis.call("ZADD", keys.workers(), s.now, job.record.worker)
  if job.record.grace then
    job.record.grace = nil
    job_lib.save(job)
  end
  return expires_at
end

local answers = {}
for i, job in ipairs(job_lib.find_all(jids)) do
  local code, detail = lease_lib.refusal(job, jids[i], held[i][2])
  answers[i] = code and (code .. " " .. detail) or renew(job)
end

return session.close(s, answers)
