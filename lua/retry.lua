-- retry(now, request, jid, lease, delay, options) -> retries left
-- Returns a running job to its queue after a delay and takes one of its retries; with none left
-- (-1) the job fails. Options: group and message (the reason); error (of which the history keeps
-- one line, by default of the message); tries (what a retry policy remembers, opaque), and with it
-- apart (the policy counts, so the job loses no retry).
-- Errors: BADARG NOJOB LOSTLEASE FINISHED
-- Events: retried failed canceled put conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local events = require("lib.core.events")
local failing = require("lib.job.failing")
local history = require("lib.job.history")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local leave_state = require("lib.job.leave_state")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local stats = require("lib.stats.stats")

local now, request, jid, lease, delay, options = unpack(ARGV)
local OPTIONS = { group = true, message = true, error = true, tries = true, apart = true }
local wait = check.delay("delay", check.integer("delay", delay, 0, 3155760000000))
local given = check.options("options", options, OPTIONS)
local function check_given()
  if given.group ~= nil or given.message ~= nil then
    check.line("group", given.group)
    check.text("message", given.message, 65536)
  end
  check.text("error", given.error or "", 65536)
  if given.tries ~= nil or given.apart ~= nil then
    check.text("tries", given.tries, limits.policy)
    check.boolean("apart", given.apart or false)
  end
end
check_given()

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)

local queue, worker = job.record.queue, job.record.worker
local left = job_lib.retries_left(job) - (given.apart and 0 or 1)

local function again_later()
  if given.group then
    job_lib.set_failure(job, s, given.group, given.message, worker)
  end
  history.add_large(job, s, "retried", {
    worker = worker,
    group = given.group,
    error = history.error_line(given.error or given.message),
    due = wait > 0 and s.now + wait or nil,
  })
  queue_lib.to_ready(s, job, queue, wait > 0 and s.now + wait or nil)
  stats.add(s, queue, "retried", 1)
  stats.add_klass(s, job.record.klass, "retried", 1)
  events.log(s, "retried", jid, queue, nil, job.record.klass, worker)
  if job.record.unique then
    require("lib.job.unique").adjust(s, job)
  end
end

leave_state.leave(s, job)
job_lib.set_retries_left(job, left)
job.record.tries = given.tries or job.record.tries
if left < 0 then
  failing.exhaust(s, job, given, given.group and worker or "")
else
  again_later()
end
job_lib.save(job)
require("lib.job.releases").drain_some(s)

return session.close(s, left)
