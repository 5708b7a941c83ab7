-- bulk(now, request, action, jids, options) -> list of "done" or "CODE detail"
-- Does one thing to up to 100 jobs, each for itself: cancel, retry (failed and scheduled ones, at
-- once), move (options queue), timeout, priority (options priority), tag and untag (options tags).
-- Only jobs in one of the options' states are touched, if it names any.
-- Errors: BADARG
-- Events: canceled failed put lock_lost
-- Flags: allow-oom

local bulk = require("lib.job.bulk")
local check = require("lib.core.check")
local session = require("lib.core.session")

local now, request, action, jids, options = unpack(ARGV)
local names = check.packed_names("jids", jids, 1)
local given = bulk.read(action, options)

local s, again = session.open(now, request)
if again then
  return again
end

return session.close(s, bulk.run(s, action, names, given))
