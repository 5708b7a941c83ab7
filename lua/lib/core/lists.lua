-- Helpers for plain lists.

local lists = {}

-- The position of a value, or nil.
function lists.position(list, wanted)
  for i, value in ipairs(list) do
    if value == wanted then
      return i
    end
  end
  return nil
end

-- The values of a list as a set.
function lists.set(list)
  local set = {}
  for _, value in ipairs(list) do
    set[value] = true
  end
  return set
end

-- Whether a list holds a value; nil and false stand for the empty list.
function lists.contains(list, wanted)
  return lists.position(list or {}, wanted) ~= nil
end

return lists
