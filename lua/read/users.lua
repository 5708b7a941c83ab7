-- users(now, queue, offset, count) -> {total, users, others}
-- Lists users: those with jobs ready in a queue, where others is the number of ready jobs without
-- one, or, with no queue, those with settings.
-- Errors: BADARG
-- Events: none

local check = require("lib.check")
local keys = require("lib.keys")
local limits = require("lib.limits")
local session = require("lib.session")
local users = require("lib.users")

local now, queue, offset, count = unpack(ARGV)
if queue ~= "" then
  check.name("queue", queue)
end
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.page)
local s = session.read(now)

local key = queue ~= "" and keys.sharers(queue, "") or keys.users()
local names = size > 0 and redis.call("ZRANGE", key, from, from + size - 1) or {}
for i, name in ipairs(names) do
  names[i] = users.show(s, name, queue)
end
local others = queue ~= "" and redis.call("ZCARD", keys.waiting(queue)) or nil

return cmsgpack.pack({ total = redis.call("ZCARD", key), users = names, others = others })
