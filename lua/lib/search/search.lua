-- Searches some indexes for jobs that meet conditions, a bounded number per call. The position is a
-- score and a member, so the next call continues behind it although jobs have come and gone
-- meanwhile.

local check = require("lib.core.check")
local conditions = require("lib.search.conditions")
local cursor = require("lib.core.cursor")
local errors = require("lib.core.errors")
local job_lib = require("lib.job.job")
local keys = require("lib.core.keys")

local search = {}

-- Bounds of one call: jobs looked at, indexes, indexes when they are only counted, and bytes of
-- long data read.
search.SCAN = 100
search.SOURCES = 25
search.SIZES = 250
local LONG_DATA = 1048576
local SOURCE = { set = true, queue = true, name = true, within = true }
local MAX_WITHIN = 2 ^ 52

local function of_queue(key)
  return function(source)
    return key(check.name("queue", source.queue))
  end
end

local function of_name(key)
  return function(source)
    return key(check.name("name", source.name))
  end
end

-- The indexes that can be searched. In those of ready jobs members begin with their order.
local sets = {
  waiting = of_queue(keys.waiting),
  shared = of_queue(keys.shared),
  scheduled = of_queue(keys.scheduled),
  depends = of_queue(keys.depends),
  running = of_queue(keys.running),
  throttled = of_queue(keys.throttled),
  complete = function()
    return keys.complete()
  end,
  failed = function(source)
    return keys.failed_group(check.line("name", source.name))
  end,
  tag = of_name(keys.tag),
  tracked = function()
    return keys.tracked()
  end,
  worker = of_name(keys.worker_jobs),
  -- One job, wherever it is.
  jid = of_name(keys.job),
}
local HAS_ORDER = { waiting = true, shared = true }
-- The indexes whose scores are the times at which their jobs ended.
local BY_END = { complete = true, failed = true }

local function read_source(given)
  check.map("source", given, SOURCE)
  if type(given.set) ~= "string" or not sets[given.set] then
    errors.bad("source names an unknown set")
  end
  local source = { set = given.set, name = given.name, key = sets[given.set](given) }
  if given.within ~= nil then
    if not BY_END[given.set] then
      errors.bad("within is for sets of ended jobs only")
    end
    source.within = check.count("within", given.within, 0, MAX_WITHIN)
  end
  return source
end

-- Reads up to `most` indexes.
function search.read_sources(packed, most)
  local read = {}
  for i, source in ipairs(check.packed_list("sources", packed, 1, most)) do
    read[i] = read_source(source)
  end
  return read
end

-- Reads the arguments of a search: the indexes, and the conditions.
function search.read(sources, wanted)
  return { sources = search.read_sources(sources, search.SOURCES),
    conditions = conditions.read(wanted) }
end

-- The number of jobs at the beginning of an index that ended too long ago to be looked at.
local function left_out(s, source)
  if not source.within then
    return 0
  end
  return redis.call("ZCOUNT", source.key, "-inf", string.format("(%.0f", s.now - source.within))
end

local function size_of(s, source)
  return source.set == "jid" and 1 or redis.call("ZCARD", source.key) - left_out(s, source)
end

-- The number of jobs to look at in each index.
function search.sizes(s, sources)
  local sizes = {}
  for i, source in ipairs(sources) do
    sizes[i] = size_of(s, source)
  end
  return sizes
end

-- Up to `number` members from a rank on, each with its score, and their jids.
local function candidates(source, from, number)
  if source.set == "jid" then
    return { source.name, "0" }, { source.name }
  end
  local flat = redis.call("ZRANGE", source.key, from, from + number - 1, "WITHSCORES")
  local jids = {}
  for i = 1, #flat, 2 do
    jids[#jids + 1] = HAS_ORDER[source.set] and string.sub(flat[i], 13) or flat[i]
  end
  return flat, jids
end

-- Adds the jobs of an index that match, each with the number of jobs looked at so far. Returns
-- where to continue in the index, or nil at its end.
local function search_index(s, self, place, from, reply)
  local source, room = self.sources[place], self.scan - reply.scanned
  local flat, jids = candidates(source, from, room)
  for i, job in ipairs(job_lib.find_all(jids)) do
    reply.scanned = reply.scanned + 1
    local member, score = flat[2 * i - 1], flat[2 * i]
    if job and conditions.hold(s, self.conditions, source.set, job, tonumber(score)) then
      reply.found[#reply.found + 1] = { job.jid, reply.scanned, place, score, member }
      if #reply.found == self.wanted and (i < #jids or #jids == room) then
        return { score, member }
      end
    end
  end
  local is_over = source.set == "jid" or #jids < room
  return not is_over and { flat[#flat], flat[#flat - 1] } or nil
end

-- The rank at which to begin in the first index, and the position before it.
local function start(s, self, after, skip)
  local source = self.sources[1]
  local key = source.key
  if source.set == "jid" then
    return 0
  end
  local from = (after and cursor.rank(key, after) or left_out(s, source)) + skip
  local flat = skip > 0 and redis.call("ZRANGE", key, from - 1, from - 1, "WITHSCORES") or {}
  return from, flat[1] and { flat[2], flat[1] } or nil
end

-- Searches one index after the other; returns where to continue.
local function search_all(s, self, from, reply)
  for place, source in ipairs(self.sources) do
    reply.total = reply.total + size_of(s, source)
    local after = search_index(s, self, place, from or left_out(s, source), reply)
    if after then
      return place, after
    elseif #reply.found == self.wanted then
      return place < #self.sources and place + 1 or nil
    end
    from = nil
  end
end

-- Looks at up to `scan` jobs, until `wanted` of them match, beginning `skip` jobs behind `after` in
-- the first index.
function search.run(s, self, after, skip)
  s.long_data_budget, s.skipped_jobs = LONG_DATA, 0
  local reply = { found = {}, scanned = 0, total = 0 }
  local from
  if after or skip > 0 then
    from, reply.before = start(s, self, after, skip)
  end
  reply.at, reply.after = search_all(s, self, from, reply)
  reply.skipped = s.skipped_jobs
  return reply
end

return search
