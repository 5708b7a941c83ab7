-- repair(now, request, kind, name, member, index) -> whether anything was to be done
-- Corrects one thing that a check found wrong, by the records of the jobs concerned. What is right
-- stays as it is. What nobody can read is set aside with its bytes, as `quarantine:<key>`.
-- Errors: BADARG
-- Events: failed
-- Flags: allow-oom

local check = require("lib.core.check")
local quarantine = require("lib.core.quarantine")
local repair_admission = require("lib.repair.admission")
local repair_canceled = require("lib.repair.canceled")
local repair_index = require("lib.repair.index")
local repair_job = require("lib.repair.job")
local repair_links = require("lib.repair.links")
local repair_lists = require("lib.repair.lists")
local session = require("lib.core.session")
local unreadable = require("lib.repair.unreadable")

local KINDS = {
  job = repair_job.run,
  edge = repair_links.edge,
  ended = repair_links.ended,
  hold = repair_links.hold,
  release = repair_links.release,
  stray = repair_index.stray,
  listed = repair_lists.listed,
  tag = repair_index.tag,
  group = repair_index.group,
  tracking = repair_index.tracking,
  batch = repair_index.batch,
  recurring = repair_lists.recurring,
  declared = repair_lists.declared,
  slot = repair_lists.slot,
  due = repair_lists.due,
  duty = repair_lists.duty,
  worker = repair_lists.worker,
  queue = repair_lists.queue,
  klass = repair_lists.klass,
  unique = repair_lists.unique,
  user = repair_admission.user,
  parking = repair_admission.parking,
  opened = repair_admission.opened,
  throttle = repair_admission.throttle,
  fair = repair_admission.fair,
  reserved = repair_admission.reserved,
  reserving = repair_admission.reserving,
  setting = repair_admission.setting,
  wrong_type = unreadable.wrong_type,
  unreadable = unreadable.key,
  whole = unreadable.whole,
  series = unreadable.series,
  meta = unreadable.meta,
  weight = unreadable.weight,
  token = unreadable.token,
  webhook = unreadable.webhook,
  deploy = unreadable.deploy,
  seen_group = unreadable.seen_group,
  parent = unreadable.parent,
  entry = unreadable.entry,
  canceled = repair_canceled.copy,
  undo = repair_canceled.undo,
  copy = quarantine.forget,
}

local now, request, kind, name, member, index = unpack(ARGV)
check.one_of("kind", kind, KINDS)
check.text("name", name, 400)
check.text("member", member, 300)
check.text("index", index, 300)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local is_changed = KINDS[kind](s, name, member, index) ~= false

return session.close(s, is_changed)
