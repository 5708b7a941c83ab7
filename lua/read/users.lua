-- users(now, queue, after, count) -> {total, users, others, after}
-- Lists users: those with ready jobs in a queue, where others is the number of ready jobs without a
-- user, or, with an empty queue, those with settings. It begins behind `after`; the after of the
-- reply says where to continue, and at the end there is none.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local cursor = require("lib.core.cursor")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")
local users = require("lib.admission.users")

local now, queue, after, count = unpack(ARGV)
if queue ~= "" then
  check.name("queue", queue)
end
local behind = cursor.read(after)
local size = check.integer("count", count, 0, limits.small_page)
local s = session.read(now)

local key = queue ~= "" and keys.queue_users(queue, "") or keys.users()
local names, _, rest = cursor.page(key, behind, size)
local shown = users.show_all(s, names, queue)
local others = queue ~= "" and redis.call("ZCARD", keys.waiting(queue)) or nil

return cmsgpack.pack({ total = redis.call("ZCARD", key), users = shown, others = others,
  after = rest })
