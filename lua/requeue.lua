-- requeue(now, request, queue, jid, klass, data, options) -> [jid, false]
-- Puts an existing job again: moves it, or retries a failed one. With an empty klass or data the
-- job keeps its own.
-- Errors: BADARG TOOLARGE NOJOB EXISTS CYCLE NOBATCH BATCHCLOSED LOSTLEASE FINISHED
-- Events: put lock_lost
-- Flags: none

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local put = require("lib.job.put")
local session = require("lib.core.session")

local now, request, queue, jid, klass, data, options = unpack(ARGV)
local spec = put.spec(queue, jid, klass, data, options)
check.name("jid", jid)
check.given("klass", klass)
check.given("data", data)

if spec.on_conflict ~= nil then
  errors.bad("requeue always replaces the job, so on_conflict cannot be given")
end

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = job_lib.load(jid)
spec.klass = klass ~= "" and klass or job.record.klass
if data == "" then
  spec.data, spec.codec = job_lib.get_data(job), job.record.codec
end
spec.on_conflict = "replace"
local plan = put.check(s, spec, job)
local reply = put.apply(s, plan)

return session.close(s, { reply[1], false })
