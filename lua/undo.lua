-- undo(now, request, id, count) -> {jobs, left}
-- Undoes up to 100 changes of a bulk action, the latest first: restores canceled jobs, moves jobs
-- back, and gives them back their tags and priorities. Each job is judged by itself, and jobs is a
-- list of [jid, "done" or "CODE detail"]; left is how many changes remain.
-- Errors: BADARG
-- Events: put
-- Flags: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local undo = require("lib.job.undo")

local now, request, id, count = unpack(ARGV)
check.name("id", id)
local size = check.integer("count", count, 1, limits.call)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local answers = undo.run(s, id, size)

return session.close(s, { jobs = answers, left = redis.call("ZCARD", keys.undo(id)) })
