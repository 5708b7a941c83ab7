-- Applies one action to many jobs, each judged by itself: jobs that are not in an expected state
-- are left alone and answered with their state.

local change = require("lib.job.change")
local check = require("lib.core.check")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")
local removal = require("lib.job.removal")
local revive = require("lib.job.revive")

local bulk = {}

local STATES = { waiting = true, scheduled = true, depends = true, throttled = true,
  running = true, stalled = true, failed = true, complete = true }
local OPTIONS = { states = true, queue = true, priority = true, tags = true, by = true,
  reason = true, undo = true }

-- The states in which each action is possible.
local allowed = {
  cancel = { waiting = true, scheduled = true, depends = true, throttled = true, running = true,
    stalled = true, failed = true },
  retry = { failed = true, scheduled = true },
  move = { waiting = true, scheduled = true, depends = true, throttled = true, stalled = true,
    failed = true },
  timeout = { running = true },
  priority = STATES,
  tag = STATES,
  untag = STATES,
}

-- Each changes a job and returns "done", or a code and detail; then what undo needs, if there is a
-- way back.
local acts = {}

function acts.cancel(s, job, options)
  local is_kept = removal.cancel(s, job, options.how)
  return "done", is_kept and { "cancel", job.jid } or nil
end

function acts.retry(s, job)
  if job.record.state == "failed" then
    revive.retry_failed(s, job, job.record.queue)
  else
    revive.run_now(s, job)
  end
  return "done"
end

function acts.move(s, job, options)
  if job.record.state == "failed" then
    revive.retry_failed(s, job, options.queue)
    return "done"
  end
  local before = job.record.queue
  revive.move(s, job, options.queue)
  return "done", { "move", job.jid, before, options.queue }
end

function acts.timeout(s, job)
  change.time_out(s, job)
  return "done"
end

function acts.priority(_, job, options)
  local before = job.record.priority or 0
  change.set_priority(job, options.priority)
  return "done", { "priority", job.jid, before, options.priority }
end

-- The tags that a job has, or those that it lacks.
local function chosen(tags, own, has)
  local found = {}
  for _, tag in ipairs(tags) do
    if lists.contains(own, tag) == has then
      found[#found + 1] = tag
    end
  end
  return found
end

function acts.tag(s, job, options)
  local refused = require("lib.job.tags").refusal(job.record.tags, options.tags)
  if refused then
    return "BADARG " .. refused
  end
  local added = chosen(options.tags, job.record.tags, false)
  require("lib.job.tags").add(s, job, options.tags)
  job_lib.save(job)
  return "done", { "tag", job.jid, added }
end

function acts.untag(_, job, options)
  local removed = chosen(options.tags, job.record.tags, true)
  require("lib.job.tags").remove(job, options.tags)
  job_lib.save(job)
  return "done", { "untag", job.jid, removed }
end

local function check_states(given)
  local expected = {}
  for _, state in ipairs(check.list("states", given or {}, 0, 8)) do
    check.one_of("states", state, STATES)
    expected[state] = true
  end
  return next(expected) and expected or STATES
end

-- Reads the action and its options, and refuses invalid ones.
function bulk.read(action, packed)
  check.one_of("action", action, allowed)
  local options = check.options("options", packed, OPTIONS)
  options.states = check_states(options.states)
  options.how = require("lib.job.canceled").read_how({ by = options.by, reason = options.reason })
  if options.undo ~= nil then
    check.name("undo", options.undo)
  end
  if action == "move" then
    check.name("queue", options.queue)
  elseif action == "priority" then
    check.finite("priority", options.priority)
  elseif action == "tag" or action == "untag" then
    check.names("tags", options.tags, 1, limits.call)
  end
  return options
end

local function refusal(job, jid, action, options)
  if not job then
    return "NOJOB Job " .. jid .. " does not exist"
  end
  local state = job.record.state
  if not options.states[state] or not allowed[action][state] then
    return "WRONGSTATE Job " .. jid .. " is " .. state
  end
  return nil
end

-- The jobs that cannot be canceled, each with a job that waits for it: one that keeps existing,
-- because it is not listed, refused, or itself waited for by such a job.
local function held_by_dependents(jids, options)
  local ending, held = {}, {}
  for i, job in ipairs(job_lib.find_all(jids)) do
    ending[jids[i]] = not refusal(job, jids[i], "cancel", options) or nil
  end
  local pending = jids
  while #pending > 0 do
    local again = {}
    for _, jid in ipairs(pending) do
      local dependent = ending[jid] and removal.dependent_of(jid, ending)
      if dependent then
        held[jid], ending[jid] = dependent, nil
        -- Its own parents among the jobs must be looked at again.
        for _, parent in ipairs(jids) do
          if ending[parent] and redis.call("ZSCORE", keys.dependents(parent), jid) then
            again[#again + 1] = parent
          end
        end
      end
    end
    pending = again
  end
  return held
end

-- What became of a jid without a job that can be read.
local function without_job(s, jid, action, options)
  if action == "cancel" and removal.cancel_unreadable(s, jid) then
    return "done"
  end
  return refusal(nil, jid, action, options)
end

-- Applies the action; returns for each jid "done", or a code and detail.
function bulk.run(s, action, jids, options)
  local answers, changes = {}, {}
  local held = action == "cancel" and held_by_dependents(jids, options) or {}
  for i, jid in ipairs(jids) do
    -- The jobs are read one by one, since what happens to one may change another.
    local job = job_lib.find(jid)
    if not job then
      answers[i] = without_job(s, jid, action, options)
    else
      answers[i] = refusal(job, jid, action, options)
        or held[jid] and "HASDEPENDENTS Job " .. jid .. " is a dependency of " .. held[jid]
      if not answers[i] then
        answers[i], changes[#changes + 1] = acts[action](s, job, options)
      end
    end
  end
  if options.undo then
    require("lib.job.undo_list").note(s, options.undo, action, changes)
  end
  if s.has_releases then
    require("lib.job.releases").drain_some(s)
  end
  return answers
end

return bulk
