-- complete_many(now, request, leases, result...) -> list of "complete" or "CODE detail"
-- Completes up to 100 running jobs, given as [jid, lease], each answered by itself. The result of
-- the i-th is the i-th argument after leases, empty for none.
-- Errors: BADARG TOOLARGE
-- Events: completed put failed canceled conflict
-- Flags: allow-oom

local check = require("lib.core.check")
local complete_many = require("lib.job.complete_many")
local completion = require("lib.job.completion")
local job_lib = require("lib.job.job")
local lease_lib = require("lib.job.lease")
local session = require("lib.core.session")

local now, request, leases = unpack(ARGV, 1, 3)
local held, jids = lease_lib.check_all(leases, 1)

local s, earlier_reply = session.open(now, request, "config:jobs-history",
  "config:jobs-history-count")
if earlier_reply then
  return earlier_reply
end
local results = { unpack(ARGV, 4) }
for i = 1, #jids do
  check.data(s, results[i])
end

-- Each job is checked before any ends: the end of one does not change another that is running.
local answers, ending, result_of = {}, {}, {}
for i, job in ipairs(job_lib.find_all(jids)) do
  local code, detail = lease_lib.refusal(job, jids[i], held[i][2])
  if code then
    answers[i] = code .. " " .. detail
  else
    answers[i] = "complete"
    ending[#ending + 1] = job
    result_of[job.jid] = results[i]
  end
end

local plain = complete_many.choose(ending)
local is_done = {}
if #plain > 0 then
  complete_many.complete(s, plain, result_of)
  for _, job in ipairs(plain) do
    is_done[job.jid] = true
  end
end
for _, job in ipairs(ending) do
  if not is_done[job.jid] then
    completion.leave_running(s, job, "", result_of[job.jid])
    completion.finish(s, job)
  end
end
completion.clean_up(s, #jids)

return session.close(s, answers)
