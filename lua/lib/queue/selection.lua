-- Selects the queues of a pop with more than a plain list: patterns (`mail-*`), exclusions
-- (`!mail-slow`, `!mail-*`), and the orders round-robin, shuffled and weighted. A plain list of
-- names does not load this.

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local glob = require("lib.core.glob")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local queue_lib = require("lib.queue.queue")
local session = require("lib.core.session")
local take = require("lib.queue.take")

local selection = {}

local ORDERS = { ordered = true, ["round-robin"] = true, shuffled = true, weighted = true }
local PATTERN = "^[%w_*][%w_.:@~+*-]*$"
-- Bounds of one call: patterns, known queues matched against them, queues with work among those;
-- how many are read at once, and how many are tested for work at once.
local PATTERNS, KNOWN, SELECTED, PART, GROUP = 20, 5000, 1000, 500, 100

local function add_name(side, place, name)
  if #name > 128 or not string.find(name, PATTERN) then
    errors.bad("queues holds an entry that is neither a name nor a pattern, with or without a !")
  elseif string.find(name, "*", 1, true) then
    local parts = glob.compiled(name)
    local is_prefix = #parts == 2 and parts[2] == ""
    side.patterns[#side.patterns + 1] = { place = place, parts = parts,
      prefix = is_prefix and parts[1] }
  else
    side.named[name] = place
  end
end

-- Adds an entry; returns whether it is an exclusion.
local function add_entry(self, place, entry)
  if type(entry) ~= "string" then
    errors.bad("queues holds an entry that is not text")
  elseif string.sub(entry, 1, 1) ~= "!" then
    add_name(self.with, place, entry)
    return false
  end
  add_name(self.without, place, string.sub(entry, 2))
  return true
end

local function check_weights(weights, known)
  for entry, weight in pairs(check.map("weights", weights, known)) do
    check.within("weight of " .. entry, weight, 1e-6, 1e6)
  end
  return weights
end

local function read_entries(packed)
  local entries, seen, included = check.packed_list("queues", packed, 1, limits.call), {}, 0
  local self = { entries = entries, known = seen, with = { named = {}, patterns = {} },
    without = { named = {}, patterns = {} } }
  for place, entry in ipairs(entries) do
    included = included + (add_entry(self, place, entry) and 0 or 1)
    if seen[entry] then
      errors.bad("queues holds " .. entry .. " twice")
    end
    seen[entry] = true
  end
  if included == 0 then
    errors.bad("queues holds only exclusions")
  elseif #self.with.patterns + #self.without.patterns > PATTERNS then
    errors.bad("queues holds more than " .. PATTERNS .. " patterns")
  end
  return self
end

-- Parses the choice of queues of a pop: packed entries and the options order, turn and weights.
function selection.parse(packed, options)
  local self = read_entries(packed)
  self.order = check.one_of("order", options.order or "ordered", ORDERS)
  self.turn = check.count("turn", options.turn or 0, 0, 2 ^ 31 - 1)
  self.weights = check_weights(options.weights or {}, self.known)
  return self
end

local function matches(pattern, name)
  local prefix = pattern.prefix
  if prefix then
    return string.sub(name, 1, #prefix) == prefix
  end
  return glob.matches(pattern.parts, name)
end

-- The position of the entry that names a queue or, if none does, of the first pattern that matches
-- it.
local function place_of(side, name)
  if side.named[name] then
    return side.named[name]
  end
  for _, pattern in ipairs(side.patterns) do
    if matches(pattern, name) then
      return pattern.place
    end
  end
  return nil
end

-- The position of the entry that selects a queue, or nil.
function selection.place(self, name)
  return not place_of(self.without, name) and place_of(self.with, name) or nil
end

local function add_busy(self, name, place)
  self.busy[#self.busy + 1] = name
  self.places[name] = place
end

-- Notes which queues of a group may have work. Most queues are empty most of the time, so the group
-- is tested as a whole first. A fair queue has three keys to test, any other one.
local function test_group(self, group)
  local size, each = group.size, group.each
  local number = size > 0 and redis.call("EXISTS", unpack(group.keys, 1, size * each)) or 0
  for i = 1, number > 0 and size or 0 do
    if number == size * each
      or redis.call("EXISTS", unpack(group.keys, (i - 1) * each + 1, i * each)) > 0 then
      add_busy(self, group.names[i], group.places[i])
    end
  end
  group.size = 0
end

-- Adds a selected queue: its wake marker, and whether it may have work. The tables of the groups
-- are used again: new ones for thousands of queues would cost more than everything else.
local function add_queue(self, name, place)
  if #self.wake < limits.call then
    self.wake[#self.wake + 1] = keys.wake(name)
  end
  local is_fair = self.is_any_fair or self.fair[name]
  local group = is_fair and self.fair_group or self.plain_group
  local at = group.size
  group.size, group.names[at + 1], group.places[at + 1] = at + 1, name, place
  if is_fair then
    group.keys[at * 3 + 1], group.keys[at * 3 + 2] = keys.waiting(name), keys.shared(name)
    group.keys[at * 3 + 3] = keys.open(name)
  else
    group.keys[at + 1] = keys.waiting(name)
  end
  if at + 1 == GROUP then
    test_group(self, group)
  end
end

-- Returns where to begin when one call cannot read all known queues: a part drawn by the present
-- millisecond, so that calls at different times read different parts.
local function first_known(s)
  local parts = math.ceil(redis.call("ZCARD", keys.queues()) / KNOWN)
  if parts <= 1 then
    return 0
  end
  math.randomseed(s.now % 2 ^ 31)
  return (math.random(parts) - 1) * KNOWN
end

-- Adds known queues that match a pattern, in the order in which they became known. They are read in
-- parts: the garbage collector would traverse one long list again and again.
local function add_matching(s, self)
  local named, first = self.with.named, first_known(s)
  for from = first, first + KNOWN - 1, PART do
    local names = redis.call("ZRANGE", keys.queues(), from, from + PART - 1)
    for _, name in ipairs(names) do
      local place = not named[name] and selection.place(self, name)
      if place then
        add_queue(self, name, place)
      end
    end
    if #names < PART or #self.busy >= SELECTED then
      return
    end
  end
end

-- Finds the selected queues that have work, with the positions of their entries: queues that are
-- named, known or not, and known ones that match a pattern.
local function find_busy(s, self)
  self.busy, self.places, self.wake, self.fair = {}, {}, {}, {}
  -- With many fair queues any queue may be one, so all are tested like one.
  self.is_any_fair = redis.call("ZCARD", keys.fair_queues()) > PART
  if not self.is_any_fair then
    for _, name in ipairs(redis.call("ZRANGE", keys.fair_queues(), 0, PART - 1)) do
      self.fair[name] = true
    end
  end
  self.plain_group = { each = 1, size = 0, names = {}, places = {}, keys = {} }
  self.fair_group = { each = 3, size = 0, names = {}, places = {}, keys = {} }
  for place, entry in ipairs(self.entries) do
    if self.with.named[entry] and selection.place(self, entry) then
      add_queue(self, entry, place)
    end
  end
  if #self.with.patterns > 0 then
    add_matching(s, self)
  end
  test_group(self, self.plain_group)
  test_group(self, self.fair_group)
end

-- Sorts queues by the position of their entries; the queues of one entry alphabetically.
local function in_order_of_entries(self, names)
  local of_entry, sorted = {}, {}
  for _, name in ipairs(names) do
    local place = self.places[name]
    of_entry[place] = of_entry[place] or {}
    table.insert(of_entry[place], name)
  end
  for place = 1, #self.entries do
    local some = of_entry[place] or {}
    table.sort(some)
    for _, name in ipairs(some) do
      sorted[#sorted + 1] = name
    end
  end
  return sorted
end

-- Draws without replacement, each queue with a probability by its weight (Efraimidis and Spirakis,
-- 2006).
local function in_drawn_order(self, names)
  local lots, owner, sorted = {}, {}, {}
  math.randomseed(self.turn)
  for i, name in ipairs(names) do
    local entry = self.entries[self.places[name]]
    local weight = self.order == "weighted" and self.weights[entry] or 1
    repeat
      lots[i] = -math.log(1 - math.random()) / weight
    until not owner[lots[i]]
    owner[lots[i]] = name
  end
  table.sort(lots)
  for i, lot in ipairs(lots) do
    sorted[i] = owner[lot]
  end
  return sorted
end

-- Returns the queues that are not paused. Paused queues are removed before the turn is decided:
-- otherwise the queue after a paused one would get its turns, too.
local function without_paused(s, names)
  local fields, open = {}, {}
  for i, name in ipairs(names) do
    fields[i] = "paused:" .. name
  end
  local pauses = #fields > 0 and redis.call("HMGET", keys.meta(), unpack(fields)) or {}
  for i, name in ipairs(names) do
    if not queue_lib.is_paused(s, pauses[i]) then
      open[#open + 1] = name
    end
  end
  return open
end

-- The names of the queues with work, in the order in which they are tried.
local function in_order(s, self)
  if self.order == "ordered" then
    return in_order_of_entries(self, self.busy)
  end
  local names = without_paused(s, self.busy)
  if self.order ~= "round-robin" then
    return in_drawn_order(self, names)
  end
  local sorted, turned = in_order_of_entries(self, names), {}
  for i = 1, #sorted do
    turned[i] = sorted[(self.turn + i - 1) % #sorted + 1]
  end
  return turned
end

-- The wake markers for an idle worker. With a pattern that includes the marker of new queues, which
-- is set again while work is left, since other workers may not know that queue yet.
local function wake_markers(self, has_more_work)
  if #self.with.patterns > 0 then
    self.wake[math.min(#self.wake + 1, limits.call)] = keys.new_queues()
    if has_more_work then
      redis.call("ZADD", keys.new_queues(), 0, "work")
    end
  end
  return self.wake
end

-- Takes from the selected queues, a hundred at a time; more are seldom needed.
function selection.take(s, self, pop)
  find_busy(s, self)
  local names = in_order(s, self)
  for from = 1, #names, limits.call do
    local some = { unpack(names, from, math.min(from + limits.call - 1, #names)) }
    session.read_meta(s, take.meta_fields(some))
    take.from_queues(s, pop, some)
    if pop.has_more_work then
      break
    end
  end
  pop.wake = wake_markers(self, pop.has_more_work)
end

return selection
