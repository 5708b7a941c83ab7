-- webhook_report(now, request, id, outcome) -> the state of the webhook
-- Notes how a delivery ended: ok, status (of HTTP), error (one line), gone (the receiver wants no
-- more). A webhook that is gone, or has failed for longer than its disable_after, is disabled.
-- Errors: BADARG NOWEBHOOK
-- Events: webhook_disabled
-- Flags: allow-oom

local check = require("lib.core.check")
local session = require("lib.core.session")
local webhooks = require("lib.webhook.webhooks")

local now, request, id, outcome = unpack(ARGV)
check.name("id", id)
local OUTCOME = { ok = true, status = true, error = true, gone = true }
local given = check.options("outcome", outcome, OUTCOME)
check.boolean("ok", given.ok)
check.boolean("gone", given.gone or false)
check.count("status", given.status or 0, 0, 999)
check.text("error", given.error or "", 255)

local s, earlier_reply = session.open(now, request)
if earlier_reply then
  return earlier_reply
end
local record = webhooks.load(id)

webhooks.report(s, id, record, given)

return session.close(s, record.state)
