-- bulk(now, request, action, jids, options) -> list of "done" or "CODE detail"
-- Applies one action to up to 100 jobs, each judged by itself: cancel, retry (failed jobs, and
-- scheduled ones now), move (option queue), timeout, priority (option priority), tag and untag
-- (option tags). With the option states only jobs in one of these states are changed. Options of
-- cancel: by and reason. With the option undo, a name, undo can take the changes back for a day.
-- Errors: BADARG
-- Events: canceled failed put lock_lost conflict
-- Flags: allow-oom

local bulk = require("lib.job.bulk")
local check = require("lib.core.check")
local session = require("lib.core.session")

local now, request, action, jids, options = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)
local given = bulk.read(action, options)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

return session.close(s, bulk.run(s, action, names, given))
