-- workers(now, offset, count) -> {total, workers: [{name, seen_at, jobs, stalled, info}]}
-- Lists workers, the one seen last in front.
-- Errors: BADARG
-- Events: none

local check = require("lib.core.check")
local keys = require("lib.core.keys")
local limits = require("lib.core.limits")
local session = require("lib.core.session")

local now, offset, count = unpack(ARGV)
local from = check.integer("offset", offset, 0, 2 ^ 52)
local size = check.integer("count", count, 0, limits.small_page)
local s = session.read(now, "config:max-worker-age")

local oldest = s.now - (tonumber(s.meta["config:max-worker-age"]) or 86400) * 1000
local flat = redis.call("ZREVRANGEBYSCORE", keys.workers(), "+inf",
  "(" .. string.format("%.0f", oldest), "WITHSCORES", "LIMIT", from, size)
local info_keys, shown = {}, {}
for i = 1, #flat, 2 do
  local key = keys.worker_jobs(flat[i])
  local jobs = redis.call("ZCARD", key)
  local stalled = jobs > 0 and redis.call("ZCOUNT", key, "-inf", s.now) or 0
  info_keys[#info_keys + 1] = keys.worker_info(flat[i])
  shown[#shown + 1] = {
    name = flat[i],
    seen_at = tonumber(flat[i + 1]),
    jobs = jobs - stalled,
    stalled = stalled,
  }
end
local infos = #shown > 0 and redis.call("MGET", unpack(info_keys)) or {}
for i, worker in ipairs(shown) do
  worker.info = infos[i] or ""
end
local total = redis.call("ZCOUNT", keys.workers(), "(" .. string.format("%.0f", oldest), "+inf")

return cmsgpack.pack({ total = total, workers = shown })
