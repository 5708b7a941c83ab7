-- Checks of arguments: each function returns the value, or refuses the call.

local errors = require("lib.core.errors")
local limits = require("lib.core.limits")

local check = {}

local NAME = "^[%w_][%w_.:@~+-]*$"

function check.given(what, value)
  if type(value) ~= "string" then
    errors.bad(what .. " is missing")
  end
  return value
end

function check.is_name(value)
  return type(value) == "string" and #value <= 128 and string.find(value, NAME) ~= nil
end

function check.name(what, value)
  if not check.is_name(value) then
    errors.bad(what .. " is not a name of 1 to 128 letters, digits and _.:@~+-")
  end
  return value
end

-- One line of free text: a class path, a failure group.
function check.line(what, value)
  if type(value) ~= "string" or value == "" or #value > 255 or string.find(value, "%c") then
    errors.bad(what .. " is not 1 to 255 bytes of text without control characters")
  end
  return value
end

function check.text(what, value, longest)
  if type(value) ~= "string" or #value > longest then
    errors.bad(what .. " is not text of at most " .. longest .. " bytes")
  end
  return value
end

local function whole(value)
  return value == math.floor(value) and value > -2 ^ 53 and value < 2 ^ 53
end

-- A whole number from an option map.
function check.count(what, value, low, high)
  if type(value) ~= "number" or not whole(value) or value < low or value > high then
    errors.bad(string.format("%s is not a whole number from %.0f to %.0f", what, low, high))
  end
  return value
end

-- A whole number given as text.
function check.integer(what, value, low, high)
  local number = type(value) == "string"
    and #value <= 17
    and string.find(value, "^%-?%d+$")
    and tonumber(value)
  return check.count(what, number or nil, low, high)
end

-- Any finite number that a score of a sorted set can order.
function check.finite(what, value)
  if type(value) ~= "number" or value ~= value or value > 1e300 or value < -1e300 then
    errors.bad(what .. " is not a finite number")
  end
  return value
end

-- A number from an option map, within bounds.
function check.within(what, value, low, high)
  check.finite(what, value)
  if value < low or value > high then
    errors.bad(string.format("%s is not a number from %.14g to %.14g", what, low, high))
  end
  return value
end

-- A decimal number given as text; hexadecimal, spaces, nan and inf are refused.
function check.number(what, value)
  local plain = type(value) == "string" and #value <= 40 and string.find(value, "^[-+.%deE]+$")
  return check.finite(what, plain and tonumber(value) or nil)
end

function check.boolean(what, value)
  if type(value) ~= "boolean" then
    errors.bad(what .. " must be true or false")
  end
  return value
end

function check.one_of(what, value, allowed)
  if type(value) ~= "string" or not allowed[value] then
    local names = {}
    for name in pairs(allowed) do
      names[#names + 1] = '"' .. name .. '"'
    end
    table.sort(names)
    errors.bad(what .. " must be one of " .. table.concat(names, ", "))
  end
  return value
end

function check.delay(what, value)
  return check.count(what, value, 0, 3155760000000)
end

local function unpacked(what, packed)
  check.given(what, packed)
  -- Unpacking takes time and memory before anything in it can be counted.
  if #packed > limits.packed then
    errors.bad(what .. " has " .. #packed .. " packed bytes; the limit is " .. limits.packed)
  end
  local ok, value, more = pcall(cmsgpack.unpack, packed)
  if not ok or more ~= nil or type(value) ~= "table" then
    errors.bad(what .. " is not one msgpack value, a list or a map")
  end
  return value
end

-- A list of `low` to `high` values.
function check.list(what, value, low, high)
  if type(value) ~= "table" then
    errors.bad(what .. " is not a list")
  end
  local size = 0
  for _ in pairs(value) do
    size = size + 1
  end
  if size ~= #value then
    errors.bad(what .. " is not a list")
  end
  if size < low or size > high then
    errors.bad(what .. " does not hold " .. low .. " to " .. high .. " values")
  end
  return value
end

function check.packed_list(what, packed, low, high)
  return check.list(what, unpacked(what, packed), low, high)
end

-- A list of names without duplicates.
function check.names(what, value, low, high)
  local seen = {}
  for _, name in ipairs(check.list(what, value, low, high)) do
    check.name(what, name)
    if seen[name] then
      errors.bad(what .. " holds " .. name .. " twice")
    end
    seen[name] = true
  end
  return value
end

function check.packed_names(what, packed, low)
  return check.names(what, unpacked(what, packed), low, limits.call)
end

-- A list of 1 to 100 names without duplicates; nil if any entry is something else than a name.
function check.plain_names(what, packed)
  local names = check.list(what, unpacked(what, packed), 1, limits.call)
  local seen = {}
  for _, name in ipairs(names) do
    if not check.is_name(name) or seen[name] then
      return nil
    end
    seen[name] = true
  end
  return names
end

-- A packed map. Its keys must be in `known`, if that is given. "" and an empty msgpack map are the
-- empty map.
function check.options(what, packed, known)
  if packed == "" or packed == "\128" then
    return {}
  end
  return check.map(what, unpacked(what, packed), known)
end

function check.map(what, value, known)
  if type(value) ~= "table" then
    errors.bad(what .. " is not a map")
  end
  for name in pairs(value) do
    if type(name) ~= "string" or (known and not known[name]) then
      errors.bad(what .. " holds the unknown field " .. errors.quoted(name))
    end
  end
  return value
end

-- User data, which stays opaque; refused if it is larger than the namespace allows.
function check.data(s, data)
  check.given("data", data)
  if #data > s.data_limit then
    errors.raise("TOOLARGE", "data has " .. #data .. " bytes; the limit is " .. s.data_limit)
  end
  return data
end

return check
