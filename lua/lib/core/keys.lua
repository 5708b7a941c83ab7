-- Every key of a namespace; no other file spells one.

local call = require("lib.core.call")

local keys = {}

function keys.meta()
  return call.namespace .. ":meta"
end

-- Events, kept for readers that come later: lib.core.event_stream.
function keys.stream()
  return call.namespace .. ":stream"
end

-- Who changed what: lib.core.audit.
function keys.audit()
  return call.namespace .. ":audit"
end

function keys.queues()
  return call.namespace .. ":queues"
end

-- The marker that wakes an idle worker with a pattern when a new queue becomes known.
function keys.new_queues()
  return call.namespace .. ":queues:new"
end

-- Queues in which pop chooses jobs by users and throttles.
function keys.fair_queues()
  return call.namespace .. ":queues:fair"
end

-- Lists of queues that pops asked for, packed as they came, by the time of the last such pop.
function keys.served()
  return call.namespace .. ":served"
end

-- Keys that nobody could read, by the time at which they were set aside, and one of them.
function keys.quarantined()
  return call.namespace .. ":quarantined"
end

function keys.quarantined_copy(name)
  return call.namespace .. ":quarantine:" .. name
end

function keys.complete()
  return call.namespace .. ":complete"
end

function keys.failed()
  return call.namespace .. ":failed"
end

function keys.tags()
  return call.namespace .. ":tags"
end

function keys.tracked()
  return call.namespace .. ":tracked"
end

function keys.workers()
  return call.namespace .. ":workers"
end

function keys.dead()
  return call.namespace .. ":dead"
end

-- How far the list of a worker has been searched for the jobs of a process that died.
function keys.death(nonce)
  return call.namespace .. ":death:" .. nonce
end

function keys.due()
  return call.namespace .. ":due"
end

function keys.windows()
  return call.namespace .. ":windows"
end

function keys.tombstones()
  return call.namespace .. ":tombstones"
end

function keys.batches()
  return call.namespace .. ":batches"
end

function keys.releases()
  return call.namespace .. ":releases"
end

function keys.throttles()
  return call.namespace .. ":throttles"
end

function keys.users()
  return call.namespace .. ":users"
end

-- Webhooks by their ids.
function keys.webhooks()
  return call.namespace .. ":webhooks"
end

-- Deploy markers by their ids.
function keys.deploys()
  return call.namespace .. ":deploys"
end

-- Access tokens by their ids.
function keys.tokens()
  return call.namespace .. ":tokens"
end

function keys.weights()
  return call.namespace .. ":weights"
end

function keys.job(jid)
  return call.namespace .. ":job:" .. jid
end

function keys.data(jid)
  return call.namespace .. ":data:" .. jid
end

function keys.history(jid)
  return call.namespace .. ":history:" .. jid
end

function keys.failure(jid)
  return call.namespace .. ":failure:" .. jid
end

function keys.result(jid)
  return call.namespace .. ":result:" .. jid
end

function keys.progress(jid)
  return call.namespace .. ":progress:" .. jid
end

function keys.parents(jid)
  return call.namespace .. ":parents:" .. jid
end

function keys.dependencies(jid)
  return call.namespace .. ":dependencies:" .. jid
end

function keys.dependents(jid)
  return call.namespace .. ":dependents:" .. jid
end

function keys.holds(jid)
  return call.namespace .. ":holds:" .. jid
end

function keys.followups(jid)
  return call.namespace .. ":followups:" .. jid
end

function keys.failed_group(group)
  return call.namespace .. ":failed:" .. group
end

-- Failure groups that were seen, by their last failure, and a packed record of each.
function keys.groups()
  return call.namespace .. ":groups"
end

function keys.group_records()
  return call.namespace .. ":groups:records"
end

function keys.tag(tag)
  return call.namespace .. ":tag:" .. tag
end

function keys.recurring(jid)
  return call.namespace .. ":recurring:" .. jid
end

-- Cron jobs, by the instant at which a client is asked for their next ticks.
function keys.refills()
  return call.namespace .. ":refills"
end

-- Recurring jobs declared by one group.
function keys.declared(group)
  return call.namespace .. ":declared:" .. group
end

function keys.unique(key)
  return call.namespace .. ":unique:" .. key
end

function keys.request(slot)
  return call.namespace .. ":request:" .. slot
end

function keys.waiting(queue)
  return call.namespace .. ":queue:" .. queue .. ":waiting"
end

function keys.scheduled(queue)
  return call.namespace .. ":queue:" .. queue .. ":scheduled"
end

function keys.depends(queue)
  return call.namespace .. ":queue:" .. queue .. ":depends"
end

function keys.running(queue)
  return call.namespace .. ":queue:" .. queue .. ":running"
end

function keys.queue_recurring(queue)
  return call.namespace .. ":queue:" .. queue .. ":recurring"
end

function keys.wake(queue)
  return call.namespace .. ":queue:" .. queue .. ":wake"
end

function keys.queue_now(queue)
  return call.namespace .. ":queue:" .. queue .. ":now"
end

function keys.minutes(queue)
  return call.namespace .. ":queue:" .. queue .. ":minutes"
end

function keys.tens(queue)
  return call.namespace .. ":queue:" .. queue .. ":tens"
end

function keys.days(queue)
  return call.namespace .. ":queue:" .. queue .. ":days"
end

-- Counters since the queue became known.
function keys.totals(queue)
  return call.namespace .. ":queue:" .. queue .. ":totals"
end

function keys.klasses()
  return call.namespace .. ":klasses"
end

-- Klasses with statistics of their own, by the minute from which the sweep visits them.
function keys.known_klasses()
  return call.namespace .. ":klasses:known"
end

function keys.klass_now(klass)
  return call.namespace .. ":klass:" .. klass .. ":now"
end

function keys.klass_minutes(klass)
  return call.namespace .. ":klass:" .. klass .. ":minutes"
end

function keys.klass_tens(klass)
  return call.namespace .. ":klass:" .. klass .. ":tens"
end

-- A subqueue: the ready jobs of one user that are parked on one throttle (their gate), or on none
-- (""). The keyspace calls it a lane.
function keys.subqueue(queue, user, gate)
  return call.namespace .. ":queue:" .. queue .. ":lane/" .. user .. "/" .. gate
end

-- Users with such a subqueue.
function keys.queue_users(queue, gate)
  return call.namespace .. ":queue:" .. queue .. ":users/" .. gate
end

function keys.shared(queue)
  return call.namespace .. ":queue:" .. queue .. ":shared"
end

function keys.throttled(queue)
  return call.namespace .. ":queue:" .. queue .. ":throttled"
end

function keys.open(queue)
  return call.namespace .. ":queue:" .. queue .. ":open"
end

-- Throttles with slots reserved for jobs of the queue.
function keys.reserving(queue)
  return call.namespace .. ":queue:" .. queue .. ":reserving"
end

function keys.finish(queue)
  return call.namespace .. ":queue:" .. queue .. ":finish"
end

function keys.throttle_record(id)
  return call.namespace .. ":throttle:" .. id .. ":record"
end

function keys.holders(id)
  return call.namespace .. ":throttle:" .. id .. ":holders"
end

function keys.excused(id)
  return call.namespace .. ":throttle:" .. id .. ":excused"
end

function keys.throttle_queues(id)
  return call.namespace .. ":throttle:" .. id .. ":queues"
end

function keys.parked(id)
  return call.namespace .. ":throttle:" .. id .. ":parked"
end

function keys.capped(id)
  return call.namespace .. ":throttle:" .. id .. ":capped"
end

function keys.worker_info(worker)
  return call.namespace .. ":worker:" .. worker .. ":info"
end

function keys.worker_command(worker)
  return call.namespace .. ":worker:" .. worker .. ":command"
end

-- The last command that a worker was sent, and what became of it.
function keys.worker_report(worker)
  return call.namespace .. ":worker:" .. worker .. ":report"
end

function keys.worker_jobs(worker)
  return call.namespace .. ":worker:" .. worker .. ":jobs"
end

function keys.batch_record(batch)
  return call.namespace .. ":batch:" .. batch .. ":record"
end

function keys.members(batch)
  return call.namespace .. ":batch:" .. batch .. ":members"
end

-- Batches nested in a batch.
function keys.inner(batch)
  return call.namespace .. ":batch:" .. batch .. ":inner"
end

-- Members of a batch that were canceled.
function keys.canceled(batch)
  return call.namespace .. ":batch:" .. batch .. ":canceled"
end

-- Canceled jobs that can be restored, by the time of their cancellation.
function keys.canceled_jobs()
  return call.namespace .. ":canceled"
end

-- The copy of a canceled job, in the form of a job, and what is stored apart from it: the part is
-- data, history, failure, progress, or dependents, the jobs that were canceled because of it.
function keys.canceled_job(jid)
  return call.namespace .. ":canceled:" .. jid .. ":job"
end

function keys.canceled_part(jid, part)
  return call.namespace .. ":canceled:" .. jid .. ":" .. part
end

-- Bulk actions that can be undone, by the time until which they can, and the changes of one.
function keys.undos()
  return call.namespace .. ":undos"
end

function keys.undo(id)
  return call.namespace .. ":undo:" .. id
end

function keys.batch_data(batch)
  return call.namespace .. ":batch:" .. batch .. ":data"
end

function keys.release_record(token)
  return call.namespace .. ":release:" .. token .. ":record"
end

function keys.release_dependents(token)
  return call.namespace .. ":release:" .. token .. ":dependents"
end

-- Channels carry the prefix of the namespace and the number of the database, which channels ignore,
-- so two namespaces never receive each other's messages.
function keys.channel(name)
  return call.namespace .. call.database .. ":" .. name
end

return keys
