-- Edges between jobs. `parents` of a job holds all its parents for its life, each with
-- policy:sequence; `dependencies` those that it still waits for; `dependents` of a parent those
-- that wait for it. What the end of a parent releases goes into the list of releases
-- (lib.job.releases), which calls drain in bounded steps.

local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")
local session = require("lib.core.session")

local dependencies = {}

dependencies.POLICIES = { wait = true, cancel = true, fail = true, run = true }

-- The dependents of a job, including those that the same call is going to link (s.planned_edges).
local function dependents_of(s, parent, most)
  local found = redis.call("ZRANGE", keys.dependents(parent), 0, most)
  for _, dependent in ipairs(s.planned_edges and s.planned_edges[parent] or {}) do
    found[#found + 1] = dependent
  end
  return found
end

-- The parents that a job still waits for, including those that the same call is going to link. A
-- parent that has ended lets go of the job when the list of releases is drained, so it counts no
-- more.
local function parents_of(s, jid)
  local found = {}
  for _, parent in ipairs(redis.call("SMEMBERS", keys.dependencies(jid))) do
    if redis.call("ZSCORE", keys.dependents(parent), jid) then
      found[#found + 1] = parent
    end
  end
  for _, parent in ipairs(s.planned_parents and s.planned_parents[jid] or {}) do
    found[#found + 1] = parent
  end
  return found
end

-- Goes along the edges from the `first` jobs to one that is `wanted`; `next_of` returns the
-- neighbors of a job. Returns a wanted job, or whether there were too many to see all.
local function walk(s, first, wanted, next_of)
  local seen, pending, walked = lists.set(first), { unpack(first) }, 0
  while #pending > 0 do
    for _, jid in ipairs(next_of(s, table.remove(pending), limits.edges - walked)) do
      walked = walked + 1
      if wanted[jid] or walked > limits.edges then
        return wanted[jid] and jid, not wanted[jid]
      end
      if not seen[jid] then
        seen[jid] = true
        pending[#pending + 1] = jid
      end
    end
  end
  return nil, false
end

-- Refuses an edge from `jid` to any of `parents` that already depends on `jid`, directly or not. A
-- job with very many dependents is looked for among the parents of the parents.
local function refuse_cycle(s, jid, parents)
  local found, unclear = walk(s, { jid }, lists.set(parents), dependents_of)
  if unclear then
    found, unclear = walk(s, parents, { [jid] = true }, parents_of)
  end
  if found then
    local dependent = found == jid and "A new parent" or "Job " .. found
    errors.raise("CYCLE", dependent .. " already depends on " .. jid)
  elseif unclear then
    errors.raise("CYCLE", "Job " .. jid .. " has too many dependents, and its new parents have too "
      .. "many parents, to rule out a cycle")
  end
end

-- Records the edges of this job for the checks of later jobs in the same call.
local function plan_edges(s, jid, parents)
  s.planned_edges, s.planned_parents = s.planned_edges or {}, s.planned_parents or {}
  for _, parent in ipairs(parents) do
    local planned = s.planned_edges[parent] or {}
    planned[#planned + 1] = jid
    s.planned_edges[parent] = planned
  end
  s.planned_parents[jid] = parents
end

local function must_wait_for(s, jid, parent)
  if jid == s.ending_jid then
    return false
  end
  return s.planned_jids[jid] or (parent and parent.record.state ~= "complete")
end

-- The parents that `jid` would have to wait for: those that exist and are not complete, and those
-- that the same call puts (s.planned_jids), but not the job that the call itself completes
-- (s.ending_jid). A new jid has no dependents, so it cannot close a cycle. Edges that a put of the
-- same call will remove still count.
function dependencies.unresolved(s, jid, parents, exists)
  local open = {}
  s.planned_jids = s.planned_jids or {}
  for i, parent in ipairs(job_lib.find_all(parents)) do
    if parents[i] == jid then
      errors.raise("CYCLE", "Job " .. jid .. " cannot depend on itself")
    end
    if must_wait_for(s, parents[i], parent) then
      open[#open + 1] = parents[i]
    end
  end
  if exists and #open > 0 then
    refuse_cycle(s, jid, open)
  end
  plan_edges(s, jid, open)
  return open
end

-- Refuses parents that, with those the job has, are more than one call should go through.
function dependencies.refuse_too_many(jid, wanted)
  local key, added = keys.parents(jid), 0
  local number = redis.call("HLEN", key)
  if #wanted == 0 or number + #wanted <= limits.edges then
    return
  end
  for _, known in ipairs(redis.call("HMGET", key, unpack(wanted))) do
    added = added + (known and 0 or 1)
  end
  if added > 0 and number + added > limits.edges then
    errors.bad("a job can have at most " .. limits.edges .. " parents")
  end
end

local function add_parent(s, job, parent, policy)
  local edge = policy .. ":" .. string.format("%.0f", session.next(s))
  redis.call("HSET", keys.parents(job.jid), parent, edge)
  job.record.parents = true
end

-- Parents that are already complete become parents too if they left a result to read. An edge that
-- is there already stays as it is: with a new number, the release that is still to come of the
-- parent's end would leave it alone.
local function keep_results(s, job, wanted, open, policy)
  local waits = lists.set(open)
  for _, parent in ipairs(wanted) do
    if not waits[parent] and redis.call("HEXISTS", keys.parents(job.jid), parent) == 0
      and redis.call("EXISTS", keys.result(parent)) == 1 then
      add_parent(s, job, parent, policy)
      redis.call("SADD", keys.holds(parent), job.jid)
    end
  end
end

-- Adds edges to the wanted parents, of which `open` are unresolved. The policy for a parent that
-- has already failed is applied as for one that fails later. `policies` overrides `policy` for
-- single parents.
function dependencies.add_edges(s, job, wanted, open, policy, policies)
  local jid = job.jid
  keep_results(s, job, wanted, open, policy)
  for _, parent in ipairs(open) do
    local own = policies and policies[parent] or policy
    local score = own == "wait" and 0 or 1
    add_parent(s, job, parent, own)
    redis.call("SADD", keys.dependencies(jid), parent)
    redis.call("ZADD", keys.dependents(parent), score, jid)
    if score == 1 then
      local found = job_lib.find(parent)
      if found and found.record.state == "failed" then
        dependencies.add_release(s, { parent = parent, reason = "failed", jid = jid })
      end
    end
  end
end

-- Drops a result that has outlived its job and that no dependent needs any more.
local function drop_hold(parent, holder)
  local key = keys.holds(parent)
  redis.call("SREM", key, holder)
  if redis.call("EXISTS", key) == 1 then
    return
  end
  -- A job put again under the same jid does not own the old result.
  local found = job_lib.find(parent)
  if not found or not found.record.has_result then
    redis.call("DEL", keys.result(parent))
  end
end
dependencies.drop_hold = drop_hold

-- Removes single edges.
function dependencies.remove_edges(job, parents)
  local jid = job.jid
  for _, parent in ipairs(parents) do
    redis.call("SREM", keys.dependencies(jid), parent)
    redis.call("HDEL", keys.parents(jid), parent)
    redis.call("ZREM", keys.dependents(parent), jid)
    drop_hold(parent, jid)
  end
  if redis.call("EXISTS", keys.parents(jid)) == 0 then
    job.record.parents = nil
  end
end

-- Removes all edges to parents: the job has ended, or was put with other parents.
function dependencies.remove_all_edges(job)
  if not job.record.parents then
    return
  end
  for _, parent in ipairs(redis.call("HKEYS", keys.parents(job.jid))) do
    redis.call("ZREM", keys.dependents(parent), job.jid)
    drop_hold(parent, job.jid)
  end
  redis.call("DEL", keys.parents(job.jid), keys.dependencies(job.jid))
  job.record.parents = nil
end

-- Adds an entry to the list of releases; returns its token. Tokens have leading zeros, so entries
-- of one instant keep their order.
function dependencies.add_release(s, record)
  local token = string.format("%016.0f", session.next(s))
  redis.call("SET", keys.release_record(token), cmsgpack.pack(record))
  redis.call("ZADD", keys.releases(), s.now, token)
  redis.call("ZADD", keys.due(), "LT", s.now, "releases")
  s.has_releases = true
  return token
end

-- Releases the dependents of `parent`, when the list is drained: all of them for "complete" and
-- "canceled", for "failed" those whose policy is not to wait. The list outlives the parent.
function dependencies.release_dependents(s, parent, reason)
  local key = keys.dependents(parent)
  if reason == "failed" then
    if redis.call("ZCOUNT", key, 1, 1) > 0 then
      dependencies.add_release(s, { parent = parent, reason = reason })
    end
    return
  end
  if redis.call("EXISTS", key) == 1 then
    local token = dependencies.add_release(s, { parent = parent, reason = reason })
    redis.call("RENAME", key, keys.release_dependents(token))
    if redis.call("EXISTS", keys.result(parent)) == 1 then
      redis.call("SADD", keys.holds(parent), "release:" .. token)
    end
  end
end

return dependencies
