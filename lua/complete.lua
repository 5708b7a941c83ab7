-- complete(now, request, jid, lease, data, result, options, data...) -> {state, jobs}
-- Completes a running job or moves it to the next queue, and puts the jobs that it leaves behind
-- (option jobs, with their data in the arguments at the end). Those that conflict with existing
-- jobs are ignored, unless they ask to be refused. One with the jid of the completed job puts that
-- again.
-- Errors: BADARG TOOLARGE EXISTS NOJOB LOSTLEASE FINISHED CYCLE NOBATCH BATCHCLOSED
-- Events: completed advanced put lock_lost failed canceled conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local completion = require("lib.job.completion")
local lease_lib = require("lib.job.lease")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, request, jid, lease, data, result, options = unpack(ARGV, 1, 7)
local given = check.options("options", options, { next = true, jobs = true })
local specs = check.list("jobs", given.jobs or {}, 0, limits.call)

local s, earlier_reply = session.open(now, request, "config:jobs-history",
  "config:jobs-history-count")
if earlier_reply then
  return earlier_reply
end
local job = lease_lib.load(jid, lease)
check.data(s, data)
check.data(s, result)
s.planned_jids, s.acting_jid = { [jid] = true }, jid
s.ending_jid, s.lenient_puts = not given.next and jid or nil, true
local plan
if #specs > 0 then
  plan = require("lib.job.follow_ups").check(s, job, specs, { unpack(ARGV, 8) }, given.next)
end
-- The next queue may wait for the jobs left behind, so those are checked first.
local parents = given.next and require("lib.job.next_queue").check(s, job, given.next)

completion.leave_running(s, job, data, result)

local function put_follow_ups()
  return plan and require("lib.job.follow_ups").apply(s, plan) or {}
end

local function finish()
  if not plan then
    completion.finish(s, job)
    return {}
  end
  -- Completion closes the batches that the job owns, which may take these jobs too: they are put
  -- first. What they replace may let go of the result, so the stored job must own it by then.
  completion.save_end(s, job)
  return require("lib.job.follow_ups").finish(s, job, plan, put_follow_ups())
end

local put
if given.next then
  require("lib.job.next_queue").enter(s, job, given.next, parents)
  put = put_follow_ups()
else
  put = finish()
end
completion.clean_up(s, 1)

return session.close(s, { state = job.record.state, jobs = put })
