-- track(now, request, jid) -> true
-- Tracks a job: what happens to it is published on channels named after the events.
-- Errors: BADARG NOJOB
-- Events: track
-- Flags: allow-oom

local check = require("lib.core.check")
local events = require("lib.core.events")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local session = require("lib.core.session")

local now, request, jid = unpack(ARGV)
check.name("jid", jid)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = job_lib.load(jid)

redis.call("ZADD", keys.tracked(), "NX", s.now, jid)
redis.call("HSET", keys.meta(), "tracking", redis.call("ZCARD", keys.tracked()))
job.record.tracked = true
job_lib.save(job)
events.log(s, "track", jid, job.record.queue, nil, job.record.klass)
session.publish(s, "track", jid)

return session.close(s, true)
