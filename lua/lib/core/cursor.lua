-- Pages of a sorted set by cursor. A cursor is a score and a member; the next page begins after
-- them, so rows added or removed between two pages make it neither miss nor repeat any other row.

local check = require("lib.core.check")
local errors = require("lib.core.errors")

local cursor = {}

-- Reads a cursor given as an argument; nil for the beginning.
function cursor.read(packed)
  if check.given("after", packed) == "" then
    return nil
  end
  local pair = check.packed_list("after", packed, 2, 2)
  check.text("member", pair[2], 256)
  local score = type(pair[1]) == "string" and #pair[1] <= 40 and tonumber(pair[1])
  if not score or score ~= score then
    errors.bad("after must begin with a score")
  end
  return pair
end

-- Whether a member sorts before another one or equals it. Sorted sets order by bytes, while Lua in
-- the server compares text by its locale, which may order otherwise.
local function is_up_to(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a < b
    end
  end
  return #one <= #other
end

-- The first rank after a cursor; 0 without one.
function cursor.rank(key, after)
  if not after then
    return 0
  end
  local score, member = tonumber(after[1]), after[2]
  local low, high = 0, redis.call("ZCARD", key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = redis.call("ZRANGE", key, middle, middle, "WITHSCORES")
    local at = tonumber(found[2])
    if at < score or at == score and is_up_to(found[1], member) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- A page of at most `size` rows: its members, their scores, and the cursor of the next page, nil at
-- the end.
function cursor.page(key, after, size)
  local members, scores = {}, {}
  if size == 0 then
    return members, scores, nil
  end
  local from = cursor.rank(key, after)
  local flat = redis.call("ZRANGE", key, from, from + size, "WITHSCORES")
  for i = 1, math.min(#flat / 2, size) do
    members[i], scores[i] = flat[2 * i - 1], flat[2 * i]
  end
  return members, scores, #flat > 2 * size and { scores[size], members[size] } or nil
end

return cursor
