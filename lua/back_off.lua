-- back_off(now, request, jid, lease, ms, throttle) -> the blocked throttles
-- Returns a running job to its queue unchanged, and blocks a throttle of it for ms: the one named,
-- else all that the job names itself, else that of its queue. A longer block is left as it is.
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: throttle_blocked released
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local events = require("lib.core.events")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local reclaim = require("lib.job.reclaim")
local session = require("lib.core.session")
local settings = require("lib.admission.throttle_settings")
local throttles = require("lib.admission.throttles")

local now, request, jid, lease, ms, throttle = unpack(ARGV)
local length = check.integer("ms", ms, 1, 3155760000000)
if throttle ~= "" then
  settings.check_id("throttle", throttle)
end

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)
local worker = job.record.worker

local function chosen()
  local record = job.record
  local queue = "queue:" .. record.queue
  if throttle == "" then
    return record.throttles and { unpack(record.throttles) } or { queue }
  end
  local own = throttles.held_by(record)
  own[#own + 1] = queue
  for _, id in ipairs(own) do
    if id == throttle then
      return { id }
    end
  end
  errors.bad("throttle " .. throttle .. " is not a throttle of job " .. jid)
end

local blocked = chosen()
for _, id in ipairs(blocked) do
  local ends = settings.back_off(s, id, length)
  session.publish(s, "log", '{"event":"throttle_blocked","throttle":"' .. id .. '","until":'
    .. string.format("%.0f", ends) .. "}")
end
history.add(job, s, "backed-off")
reclaim.return_unchanged(s, job)
job_lib.save(job)
events.log(s, "released", jid, job.record.queue, nil, job.record.klass, worker)

return session.close(s, blocked)
