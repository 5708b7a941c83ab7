-- webhook_remove(now, request, id) -> true
-- Removes a webhook. Deliveries that wait are discarded when they are next due.
-- Errors: BADARG NOWEBHOOK
-- Events: webhook_removed
-- Flags: allow-oom

local check = require("lib.core.check")
local errors = require("lib.core.errors")
local keys = require("lib.core.keys")
local session = require("lib.core.session")
local webhooks = require("lib.webhook.webhooks")

local now, request, id = unpack(ARGV)
check.name("id", id)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
if redis.call("HEXISTS", keys.webhooks(), id) == 0 then
  errors.raise("NOWEBHOOK", "Webhook " .. id .. " does not exist")
end

webhooks.remove(s, id)

return session.close(s, true)
