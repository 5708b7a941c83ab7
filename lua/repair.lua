-- repair(now, request, kind, name, member, index) -> true
-- Brings one thing that a check found wrong in line with the records of the jobs concerned; what
-- is right already stays as it is.
-- Errors: BADARG
-- Events: failed
-- Flags: allow-oom

local check = require("lib.check")
local mend_index = require("lib.mend_index")
local mend_job = require("lib.mend_job")
local mend_lanes = require("lib.mend_lanes")
local mend_lists = require("lib.mend_lists")
local mend_links = require("lib.mend_links")
local session = require("lib.session")

local KINDS = {
  job = mend_job.run,
  edge = mend_links.edge,
  ended = mend_links.ended,
  hold = mend_links.hold,
  release = mend_links.release,
  stray = mend_index.stray,
  listed = mend_lists.listed,
  tag = mend_index.tag,
  group = mend_index.group,
  tracking = mend_index.tracking,
  batch = mend_index.batch,
  recurring = mend_lists.recurring,
  declared = mend_lists.declared,
  slot = mend_lists.slot,
  due = mend_lists.due,
  duty = mend_lists.duty,
  worker = mend_lists.worker,
  queue = mend_lists.queue,
  unique = mend_lists.unique,
  user = mend_lanes.user,
  parking = mend_lanes.parking,
  opened = mend_lanes.opened,
  throttle = mend_lanes.throttle,
  fair = mend_lanes.fair,
  reserved = mend_lanes.reserved,
  setting = mend_lanes.setting,
}

local now, request, kind, name, member, index = unpack(ARGV)
check.one_of("kind", kind, KINDS)
check.text("name", name, 400)
check.text("member", member, 300)
check.text("index", index, 300)

local s, again = session.open(now, request)
if again then
  return again
end
KINDS[kind](s, name, member, index)

return session.close(s, true)
