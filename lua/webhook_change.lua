-- webhook_change(now, request, id, options) -> true
-- Changes the given options of a webhook, and: key and codec (a new key; the present one signs for
-- keep ms more), state (enabled, without failures so far, or disabled) and its reason.
-- Errors: BADARG NOWEBHOOK
-- Events: webhook_changed webhook_disabled
-- Flags: allow-oom

local check = require("lib.core.check")
local session = require("lib.core.session")
local webhooks = require("lib.webhook.webhooks")

local now, request, id, options = unpack(ARGV)
check.name("id", id)
local given = check.options("options", options, webhooks.OPTIONS)
webhooks.check(given)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end

webhooks.change(s, id, webhooks.load(id), given)

return session.close(s, true)
