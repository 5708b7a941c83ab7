-- Patterns in which a star matches any number of characters.

local glob = {}

-- The literal parts between the stars. A pattern of Lua would backtrack over several stars; here
-- each part is searched for once.
function glob.compiled(text)
  local parts = {}
  for part in string.gmatch(text .. "*", "([^*]*)%*") do
    parts[#parts + 1] = part
  end
  return parts
end

-- Whether the whole text matches.
function glob.matches(parts, text)
  local first, last = parts[1], parts[#parts]
  if #parts == 1 then
    return text == first
  end
  local at = #first + 1
  local stop = #text - #last
  if string.sub(text, 1, #first) ~= first or stop + 1 < at
    or string.sub(text, stop + 1) ~= last then
    return false
  end
  for i = 2, #parts - 1 do
    local _, finish = string.find(text, parts[i], at, true)
    if not finish or finish > stop then
      return false
    end
    at = finish + 1
  end
  return true
end

return glob
