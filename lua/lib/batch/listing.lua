-- Pages of batches, the one that was opened or finished last in front, and of the members that a
-- batch waits for.

local batches = require("lib.batch.batches")
local check = require("lib.core.check")
local cursor = require("lib.core.cursor")
local glob = require("lib.core.glob")
local keys = require("lib.core.keys")

local listing = {}

local PHASES = { open = true, running = true, complete = true, failed = true, canceled = true }
local OPTIONS = { name = true, phases = true, within = true, workflows = true }
local WORKFLOW = "workflow:"

-- Reads the conditions of a list: a pattern of names, phases, the batch around them, and whether
-- they belong to workflows.
function listing.read(packed)
  local given = check.options("options", packed, OPTIONS)
  local wanted = { within = given.within and check.name("within", given.within) }
  if given.name ~= nil then
    wanted.name = glob.compiled(check.text("name", given.name, 1024))
  end
  if given.workflows ~= nil then
    wanted.workflows = check.boolean("workflows", given.workflows)
    wanted.is_limited = true
  end
  if given.phases ~= nil then
    wanted.phases = {}
    for _, phase in ipairs(check.list("phases", given.phases, 1, 5)) do
      wanted.phases[check.one_of("phases", phase, PHASES)] = true
    end
  end
  return wanted
end

local function fits_name(wanted, batch)
  local is_workflow = string.sub(batch, 1, #WORKFLOW) == WORKFLOW
  if wanted.is_limited and is_workflow ~= wanted.workflows then
    return false
  end
  return not wanted.name or glob.matches(wanted.name, batch)
end

local function fits(wanted, shown)
  return (not wanted.phases or wanted.phases[shown.phase])
    and (not wanted.within or shown.within == wanted.within)
end

-- The first `number` members before a position, from the end of the list on, with their scores.
local function before(key, after, number)
  local stop = redis.call("ZCARD", key)
  if after then
    stop = cursor.rank(key, after)
    local last = stop > 0 and redis.call("ZRANGE", key, stop - 1, stop - 1)[1]
    -- The member of the position itself was on the page before, unless it has moved.
    stop = last == after[2] and stop - 1 or stop
  end
  if stop <= 0 then
    return {}
  end
  return redis.call("ZRANGE", key, math.max(stop - number, 0), stop - 1, "WITHSCORES")
end

-- Examines up to `scan` batches behind `after` until `size` of them fit.
function listing.page(wanted, after, scan, size)
  local key, found, examined, position = keys.batches(), {}, 0, nil
  local flat = before(key, after, scan + 1)
  for i = #flat - 1, 1, -2 do
    if #found == size or examined == scan then
      return { batches = found, examined = examined, after = position }
    end
    local batch = flat[i]
    examined, position = examined + 1, { flat[i + 1], batch }
    local shown = fits_name(wanted, batch) and batches.summary(batch)
    if shown and fits(wanted, shown) then
      found[#found + 1] = shown
    end
  end
  return { batches = found, examined = examined }
end

return listing
