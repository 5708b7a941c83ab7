-- failures(now, list, since, offset, count) -> {total, groups}
-- Lists failure groups, the one with the latest failure first: `failed`, those with failed jobs, or
-- `seen`, those that are remembered. Each is [group, failed jobs, how many of them failed since,
-- when the oldest of them failed (0: none), last failure, packed record]; the record, which may be
-- missing, has first and count (of all failures), hours (hour, number, hour, number …), queues and
-- klasses.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local LISTS = { failed = keys.failed, seen = keys.groups }

local now, list, since, offset, count = unpack(ARGV)
check.one_of("list", list, LISTS)
local from_time = check.integer("since", since, 0, 4503599627370000)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.small_page)
session.read(now)

local key = LISTS[list]()
local flat = size > 0 and redis.call("ZREVRANGE", key, from, from + size - 1, "WITHSCORES") or {}
local groups = {}
for i = 1, #flat, 2 do
  local jobs = keys.failed_group(flat[i])
  local number = redis.call("ZCARD", jobs)
  local oldest = number > 0 and redis.call("ZRANGE", jobs, 0, 0, "WITHSCORES")[2]
  groups[#groups + 1] = { flat[i], number, redis.call("ZCOUNT", jobs, from_time, "+inf"),
    tonumber(oldest) or 0, tonumber(flat[i + 1]),
    redis.call("HGET", keys.group_records(), flat[i]) or nil }
end

return cmsgpack.pack({ total = redis.call("ZCARD", key), groups = groups })
