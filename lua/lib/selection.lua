-- Which queues a pop takes from, and in which order, where it says more than a plain list: patterns
-- (`mail-*`), exclusions (`!mail-slow`, `!mail-*`), and the orders round-robin, shuffled, weighted.
-- A list of plain names in order never comes here.

local asking = require("lib.asking")
local check = require("lib.check")
local errors = require("lib.errors")
local glob = require("lib.glob")
local keys = require("lib.keys")
local lanes = require("lib.lanes")
local limits = require("lib.limits")

local selection = {}

local ORDERS = { ordered = true, ["round-robin"] = true, shuffled = true, weighted = true }
local PATTERN = "^[%w_*][%w_.:@~+*-]*$"
-- Bounds of one call: patterns, known queues that they are held against, queues with work among
-- those; how many are read at once, and how many are asked at once whether any has work.
local PATTERNS, KNOWN, SELECTED, PART, GROUP = 20, 5000, 1000, 500, 100

local function add_name(side, place, name)
  if #name > 128 or not string.find(name, PATTERN) then
    errors.bad("queues holds an entry that is no name, pattern, or either of them after a !")
  elseif string.find(name, "*", 1, true) then
    local parts = glob.compiled(name)
    local is_prefix = #parts == 2 and parts[2] == ""
    side.patterns[#side.patterns + 1] = { place = place, parts = parts,
      prefix = is_prefix and parts[1] }
  else
    side.named[name] = place
  end
end

-- Returns whether the entry only says what not to take.
local function add_entry(self, place, entry)
  if type(entry) ~= "string" then
    errors.bad("queues holds an entry that is no text")
  elseif string.sub(entry, 1, 1) ~= "!" then
    add_name(self.with, place, entry)
    return false
  end
  add_name(self.without, place, string.sub(entry, 2))
  return true
end

local function check_weights(weights, entries)
  local known = {}
  for _, entry in ipairs(entries) do
    known[entry] = true
  end
  for entry, weight in pairs(check.map("weights", weights, known)) do
    if check.finite("weights", weight) < 1e-6 or weight > 1e6 then
      errors.bad("weights gives " .. entry .. " a weight that is not from 0.000001 to 1000000")
    end
  end
  return weights
end

local function read_entries(packed)
  local entries = check.packed_list("queues", packed, 1, limits.call)
  local self = { entries = entries, with = { named = {}, patterns = {} },
    without = { named = {}, patterns = {} } }
  local seen, taking = {}, 0
  for place, entry in ipairs(entries) do
    taking = taking + (add_entry(self, place, entry) and 0 or 1)
    if seen[entry] then
      errors.bad("queues holds " .. entry .. " twice")
    end
    seen[entry] = true
  end
  if taking == 0 then
    errors.bad("queues only says what not to take")
  elseif #self.with.patterns + #self.without.patterns > PATTERNS then
    errors.bad("queues holds more than " .. PATTERNS .. " patterns")
  end
  return self
end

-- What a pop asks for: its packed entries and its options order, turn and weights.
function selection.parse(packed, options)
  local self = read_entries(packed)
  self.order = check.one_of("order", options.order or "ordered", ORDERS)
  self.turn = check.count("turn", options.turn or 0, 0, 2 ^ 31 - 1)
  self.weights = check_weights(options.weights or {}, self.entries)
  return self
end

local function fits(pattern, name)
  local prefix = pattern.prefix
  if prefix then
    return string.sub(name, 1, #prefix) == prefix
  end
  return glob.fits(pattern.parts, name)
end

-- The place of the entry that names a queue or, if none does, of the first pattern that it fits.
local function place_of(side, name)
  if side.named[name] then
    return side.named[name]
  end
  for _, pattern in ipairs(side.patterns) do
    if fits(pattern, name) then
      return pattern.place
    end
  end
  return nil
end

-- The place of the entry by which the selection takes a queue, or nil.
function selection.place(self, name)
  return not place_of(self.without, name) and place_of(self.with, name) or nil
end

-- Notes which queues of a group have waiting jobs. Most queues are empty most of the time, so they
-- are asked for together first.
local function look_into(self, group)
  local size = group.size
  local number = size > 0 and redis.call("EXISTS", unpack(group.keys, 1, size)) or 0
  for i = 1, number > 0 and size or 0 do
    if number == size or redis.call("EXISTS", group.keys[i]) == 1 then
      self.busy[#self.busy + 1] = { group.names[i], group.places[i] }
    end
  end
  group.size = 0
end

-- Notes a queue that is meant, by the place of its entry: its marker, and whether anything in it
-- may be ready to run. The tables of the group are used again and again: to make others for each
-- of thousands of queues would cost more than all the rest.
local function meet(self, group, name, place)
  if #self.wake < limits.call then
    self.wake[#self.wake + 1] = keys.wake(name)
  end
  if self.fair[name] then
    self.busy[#self.busy + 1] = lanes.has_work(name) and { name, place } or nil
    return
  end
  local at = group.size + 1
  group.size, group.names[at], group.places[at] = at, name, place
  group.keys[at] = keys.waiting(name)
  if at == GROUP then
    look_into(self, group)
  end
end

-- Where a call begins that cannot look at all known queues: the millisecond decides, so that each
-- of them gets its turn.
local function first_known(s)
  local parts = math.ceil(redis.call("ZCARD", keys.queues()) / KNOWN)
  if parts <= 1 then
    return 0
  end
  math.randomseed(s.now % 2 ^ 31)
  return (math.random(parts) - 1) * KNOWN
end

-- Known queues that fit a pattern, in the order of first sight, read in parts: one long list would
-- be gone through by the collector of garbage again and again.
local function meet_known(s, self, group)
  local named, first = self.with.named, first_known(s)
  for from = first, first + KNOWN - 1, PART do
    local names = redis.call("ZRANGE", keys.queues(), from, from + PART - 1)
    for _, name in ipairs(names) do
      local place = not named[name] and selection.place(self, name)
      if place then
        meet(self, group, name, place)
      end
    end
    if #names < PART or #self.busy >= SELECTED then
      return
    end
  end
end

-- The queues with work among those that are meant, as {name, place of its entry}: the named ones,
-- known or not, and known ones that fit a pattern.
local function with_work(s, self)
  self.busy, self.wake, self.fair = {}, {}, {}
  for _, name in ipairs(redis.call("ZRANGE", keys.fair_queues(), 0, KNOWN - 1)) do
    self.fair[name] = true
  end
  local group = { size = 0, names = {}, places = {}, keys = {} }
  for place, entry in ipairs(self.entries) do
    if self.with.named[entry] and selection.place(self, entry) then
      meet(self, group, entry, place)
    end
  end
  if #self.with.patterns > 0 then
    meet_known(s, self, group)
  end
  look_into(self, group)
  return self.busy
end

local function without_paused(s, busy)
  local fields = {}
  for i, queue in ipairs(busy) do
    fields[i] = "paused:" .. queue[1]
  end
  local pauses = #fields > 0 and redis.call("HMGET", keys.meta(), unpack(fields)) or {}
  local queue_lib, open = require("lib.queue"), {}
  for i, queue in ipairs(busy) do
    if not queue_lib.is_paused(s, pauses[i]) then
      open[#open + 1] = queue
    end
  end
  return open
end

local function by_entry(a, b)
  if a[2] ~= b[2] then
    return a[2] < b[2]
  end
  return a[1] < b[1]
end

local function by_draw(a, b)
  return a[3] < b[3]
end

-- Draws without putting back, each queue as likely as its weight (Efraimidis and Spirakis, 2006).
local function draw(self, queues, is_weighted)
  math.randomseed(self.turn)
  for _, queue in ipairs(queues) do
    local weight = is_weighted and self.weights[self.entries[queue[2]]] or 1
    queue[3] = -math.log(1 - math.random()) / weight
  end
  table.sort(queues, by_draw)
end

local function in_order(self, queues)
  table.sort(queues, by_entry)
  local order, first = self.order, 0
  if order == "round-robin" and #queues > 0 then
    first = self.turn % #queues
  elseif order ~= "ordered" then
    draw(self, queues, order == "weighted")
  end
  local names = {}
  for i = 1, #queues do
    names[i] = queues[(first + i - 1) % #queues + 1][1]
  end
  return names
end

-- The names of the queues that have something to take, in the order in which they are to be tried.
-- What is empty or paused has no turn, so that it gives none to the queue behind it.
local function resolve(s, self)
  return in_order(self, without_paused(s, with_work(s, self)))
end

-- Reads the fields of meta of these queues to where session.open would have put them.
local function look_up(s, names)
  for i, value in ipairs(redis.call("HMGET", keys.meta(), unpack(asking.fields(names)))) do
    s.meta[7 + i] = value
  end
end

-- The markers that an idle worker waits for; with a pattern also that of queues yet to come, which
-- is set again while work is left, since others may not know of its queue yet.
local function markers(self, is_left)
  if #self.with.patterns > 0 then
    self.wake[math.min(#self.wake + 1, limits.call)] = keys.new_queues()
    if is_left then
      redis.call("ZADD", keys.new_queues(), 0, "work")
    end
  end
  return self.wake
end

-- Takes from the queues that are chosen.
function selection.take(s, self, ask)
  local names = resolve(s, self)
  look_up(s, names)
  for i, name in ipairs(names) do
    if i <= limits.call or not ask.is_left then
      asking.take(s, ask, i, name)
    end
  end
  ask.wake = markers(self, ask.is_left)
end

return selection
