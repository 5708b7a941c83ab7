-- The index of tags. The number of jobs of a tag is the size of its set, so the two cannot differ.

local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local lists = require("lib.core.lists")

local tags = {}

local function index(s, jid, tag)
  local key = keys.tag(tag)
  redis.call("ZADD", key, "NX", s.now, jid)
  redis.call("ZADD", keys.tags(), redis.call("ZCARD", key), tag)
end

local function unindex(jid, tag)
  local key = keys.tag(tag)
  redis.call("ZREM", key, jid)
  local number = redis.call("ZCARD", key)
  if number == 0 then
    redis.call("ZREM", keys.tags(), tag)
  else
    redis.call("ZADD", keys.tags(), number, tag)
  end
end

local function store(job, list)
  job.record.tags = #list > 0 and list or nil
end

-- Why these tags cannot be added to a list, or nil: many calls could make it longer than one call
-- should read and write.
function tags.refusal(list, added)
  local has, number = lists.set(list or {}), #(list or {})
  for _, tag in ipairs(added) do
    number = number + (has[tag] and 0 or 1)
  end
  if number > limits.tags then
    return "a job has at most " .. limits.tags .. " tags"
  end
  return nil
end

-- Adds tags after those that the job has, each once.
function tags.add(s, job, added)
  local list = job.record.tags or {}
  for _, tag in ipairs(added) do
    if not lists.position(list, tag) then
      list[#list + 1] = tag
      index(s, job.jid, tag)
    end
  end
  store(job, list)
end

function tags.remove(job, removed)
  local list = job.record.tags or {}
  for _, tag in ipairs(removed) do
    local at = lists.position(list, tag)
    if at then
      table.remove(list, at)
      unindex(job.jid, tag)
    end
  end
  store(job, list)
end

function tags.replace(s, job, list)
  local dropped = {}
  for _, tag in ipairs(job.record.tags or {}) do
    if not lists.position(list, tag) then
      dropped[#dropped + 1] = tag
    end
  end
  tags.remove(job, dropped)
  tags.add(s, job, list)
  store(job, list)
end

-- Removes a job that is being deleted from the index.
function tags.forget(job)
  for _, tag in ipairs(job.record.tags or {}) do
    unindex(job.jid, tag)
  end
end

return tags
