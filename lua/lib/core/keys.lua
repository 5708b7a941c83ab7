-- Every key of a namespace; no other file spells one. The one-line functions are inlined when the
-- scripts are assembled, so a call costs no more than the text. The assembler defines `namespace`,
-- and `database`, which is "" except in databases other than 0.

local keys = {}

function keys.meta()
  return namespace .. ":meta"
end

-- Events, kept for readers that come later: lib.core.event_stream.
function keys.stream()
  return namespace .. ":stream"
end

-- Who changed what: lib.core.audit.
function keys.audit()
  return namespace .. ":audit"
end

function keys.queues()
  return namespace .. ":queues"
end

-- The marker that wakes an idle worker with a pattern when a new queue becomes known.
function keys.new_queues()
  return namespace .. ":queues:new"
end

-- Queues in which pop chooses jobs by users and throttles.
function keys.fair_queues()
  return namespace .. ":queues:fair"
end

-- Lists of queues that pops asked for, packed as they came, by the time of the last such pop.
function keys.served()
  return namespace .. ":served"
end

-- Keys that nobody could read, by the time at which they were set aside, and one of them.
function keys.quarantined()
  return namespace .. ":quarantined"
end

function keys.quarantined_copy(name)
  return namespace .. ":quarantine:" .. name
end

function keys.complete()
  return namespace .. ":complete"
end

function keys.failed()
  return namespace .. ":failed"
end

function keys.tags()
  return namespace .. ":tags"
end

function keys.tracked()
  return namespace .. ":tracked"
end

function keys.workers()
  return namespace .. ":workers"
end

function keys.dead()
  return namespace .. ":dead"
end

-- How far the list of a worker has been searched for the jobs of a process that died.
function keys.death(nonce)
  return namespace .. ":death:" .. nonce
end

function keys.due()
  return namespace .. ":due"
end

function keys.windows()
  return namespace .. ":windows"
end

function keys.tombstones()
  return namespace .. ":tombstones"
end

function keys.batches()
  return namespace .. ":batches"
end

function keys.releases()
  return namespace .. ":releases"
end

function keys.throttles()
  return namespace .. ":throttles"
end

function keys.users()
  return namespace .. ":users"
end

-- Webhooks by their ids.
function keys.webhooks()
  return namespace .. ":webhooks"
end

-- Deploy markers by their ids.
function keys.deploys()
  return namespace .. ":deploys"
end

-- Access tokens by their ids.
function keys.tokens()
  return namespace .. ":tokens"
end

function keys.weights()
  return namespace .. ":weights"
end

function keys.job(jid)
  return namespace .. ":job:" .. jid
end

function keys.data(jid)
  return namespace .. ":data:" .. jid
end

function keys.history(jid)
  return namespace .. ":history:" .. jid
end

function keys.failure(jid)
  return namespace .. ":failure:" .. jid
end

function keys.result(jid)
  return namespace .. ":result:" .. jid
end

function keys.progress(jid)
  return namespace .. ":progress:" .. jid
end

function keys.parents(jid)
  return namespace .. ":parents:" .. jid
end

function keys.dependencies(jid)
  return namespace .. ":dependencies:" .. jid
end

function keys.dependents(jid)
  return namespace .. ":dependents:" .. jid
end

function keys.holds(jid)
  return namespace .. ":holds:" .. jid
end

function keys.followups(jid)
  return namespace .. ":followups:" .. jid
end

function keys.failed_group(group)
  return namespace .. ":failed:" .. group
end

-- Failure groups that were seen, by their last failure, and a packed record of each.
function keys.groups()
  return namespace .. ":groups"
end

function keys.group_records()
  return namespace .. ":groups:records"
end

function keys.tag(tag)
  return namespace .. ":tag:" .. tag
end

function keys.recurring(jid)
  return namespace .. ":recurring:" .. jid
end

-- Cron jobs, by the instant at which a client is asked for their next ticks.
function keys.refills()
  return namespace .. ":refills"
end

-- Recurring jobs declared by one group.
function keys.declared(group)
  return namespace .. ":declared:" .. group
end

function keys.unique(key)
  return namespace .. ":unique:" .. key
end

function keys.request(slot)
  return namespace .. ":request:" .. slot
end

function keys.waiting(queue)
  return namespace .. ":queue:" .. queue .. ":waiting"
end

function keys.scheduled(queue)
  return namespace .. ":queue:" .. queue .. ":scheduled"
end

function keys.depends(queue)
  return namespace .. ":queue:" .. queue .. ":depends"
end

function keys.running(queue)
  return namespace .. ":queue:" .. queue .. ":running"
end

function keys.queue_recurring(queue)
  return namespace .. ":queue:" .. queue .. ":recurring"
end

function keys.wake(queue)
  return namespace .. ":queue:" .. queue .. ":wake"
end

function keys.queue_now(queue)
  return namespace .. ":queue:" .. queue .. ":now"
end

function keys.minutes(queue)
  return namespace .. ":queue:" .. queue .. ":minutes"
end

function keys.tens(queue)
  return namespace .. ":queue:" .. queue .. ":tens"
end

function keys.days(queue)
  return namespace .. ":queue:" .. queue .. ":days"
end

-- Counters since the queue became known.
function keys.totals(queue)
  return namespace .. ":queue:" .. queue .. ":totals"
end

function keys.klasses()
  return namespace .. ":klasses"
end

-- Klasses with statistics of their own, by the minute from which the sweep visits them.
function keys.known_klasses()
  return namespace .. ":klasses:known"
end

function keys.klass_now(klass)
  return namespace .. ":klass:" .. klass .. ":now"
end

function keys.klass_minutes(klass)
  return namespace .. ":klass:" .. klass .. ":minutes"
end

function keys.klass_tens(klass)
  return namespace .. ":klass:" .. klass .. ":tens"
end

-- A subqueue: the ready jobs of one user that are parked on one throttle (their gate), or on none
-- (""). The keyspace calls it a lane.
function keys.subqueue(queue, user, gate)
  return namespace .. ":queue:" .. queue .. ":lane/" .. user .. "/" .. gate
end

-- Users with such a subqueue.
function keys.queue_users(queue, gate)
  return namespace .. ":queue:" .. queue .. ":users/" .. gate
end

function keys.shared(queue)
  return namespace .. ":queue:" .. queue .. ":shared"
end

function keys.throttled(queue)
  return namespace .. ":queue:" .. queue .. ":throttled"
end

function keys.open(queue)
  return namespace .. ":queue:" .. queue .. ":open"
end

-- Throttles with slots reserved for jobs of the queue.
function keys.reserving(queue)
  return namespace .. ":queue:" .. queue .. ":reserving"
end

function keys.finish(queue)
  return namespace .. ":queue:" .. queue .. ":finish"
end

function keys.throttle_record(id)
  return namespace .. ":throttle:" .. id .. ":record"
end

function keys.holders(id)
  return namespace .. ":throttle:" .. id .. ":holders"
end

function keys.excused(id)
  return namespace .. ":throttle:" .. id .. ":excused"
end

function keys.throttle_queues(id)
  return namespace .. ":throttle:" .. id .. ":queues"
end

function keys.parked(id)
  return namespace .. ":throttle:" .. id .. ":parked"
end

function keys.capped(id)
  return namespace .. ":throttle:" .. id .. ":capped"
end

function keys.worker_info(worker)
  return namespace .. ":worker:" .. worker .. ":info"
end

function keys.worker_command(worker)
  return namespace .. ":worker:" .. worker .. ":command"
end

-- The last command that a worker was sent, and what became of it.
function keys.worker_report(worker)
  return namespace .. ":worker:" .. worker .. ":report"
end

function keys.worker_jobs(worker)
  return namespace .. ":worker:" .. worker .. ":jobs"
end

function keys.batch_record(batch)
  return namespace .. ":batch:" .. batch .. ":record"
end

function keys.members(batch)
  return namespace .. ":batch:" .. batch .. ":members"
end

-- Batches nested in a batch.
function keys.inner(batch)
  return namespace .. ":batch:" .. batch .. ":inner"
end

-- Members of a batch that were canceled.
function keys.canceled(batch)
  return namespace .. ":batch:" .. batch .. ":canceled"
end

-- Canceled jobs that can be restored, by the time of their cancellation.
function keys.canceled_jobs()
  return namespace .. ":canceled"
end

-- The copy of a canceled job, in the form of a job, and what is stored apart from it: the part is
-- data, history, failure, progress, or dependents, the jobs that were canceled because of it.
function keys.canceled_job(jid)
  return namespace .. ":canceled:" .. jid .. ":job"
end

function keys.canceled_part(jid, part)
  return namespace .. ":canceled:" .. jid .. ":" .. part
end

-- Bulk actions that can be undone, by the time until which they can, and the changes of one.
function keys.undos()
  return namespace .. ":undos"
end

function keys.undo(id)
  return namespace .. ":undo:" .. id
end

function keys.batch_data(batch)
  return namespace .. ":batch:" .. batch .. ":data"
end

function keys.release_record(token)
  return namespace .. ":release:" .. token .. ":record"
end

function keys.release_dependents(token)
  return namespace .. ":release:" .. token .. ":dependents"
end

-- Channels carry the prefix of the namespace and the number of the database, which channels ignore,
-- so two namespaces never receive each other's messages.
function keys.channel(name)
  return namespace .. database .. ":" .. name
end

return keys
