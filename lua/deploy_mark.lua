-- deploy_mark(now, request, name, options) -> the marker as read/deploys shows it, with is_new
-- Stores that a version was deployed now. The name has 1 to 128 characters. Options: by (who
-- deployed), once (return the marker that has this name, if there is one). The 100 newest are kept.
-- Errors: BADARG
-- Events: deploy_marked
-- Flags: none

local check = require("lib.core.check")
local deploys = require("lib.stats.deploys")
local session = require("lib.core.session")

local now, request, name, options = unpack(ARGV)
deploys.check_name(name)
local given = check.options("options", options, deploys.OPTIONS)
if given.by ~= nil then
  check.line("by", given.by)
end
if given.once ~= nil then
  check.boolean("once", given.once)
end

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

return session.close(s, deploys.mark(s, name, given))
