"""Faults that a change of the scripts could bring, each made by replacing one piece of text.

The text must be found exactly once, so that a fault cannot quietly cease to be one.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong line: in `file`, `right` becomes `wrong`; `scenario` may name what finds it."""

    name: str
    file: str
    right: str
    wrong: str
    scenario: str = ""


FAULTS = [
    Fault(
        "any lease holds the job",
        "lib/job/lease.lua",
        "elseif record.lease ~= token then",
        "elseif false then",
    ),
    Fault(
        "a heartbeat shortens the time of a job that was handed off",
        "lib/job/lease.lua",
        "math.max(wanted, record.handed_off or 0)",
        "wanted",
        scenario="a job is handed off",
    ),
    Fault(
        "a lost lease costs no retry",
        "lib/job/reclaim.lua",
        "local worker, left = record.worker, job_lib.retries_left(job) - 1",
        "local worker, left = record.worker, job_lib.retries_left(job)",
    ),
    Fault(
        "retry costs no retry",
        "retry.lua",
        "local left = job_lib.retries_left(job) - (given.apart and 0 or 1)",
        "local left = job_lib.retries_left(job)",
        scenario="a retry, a release, a snooze",
    ),
    Fault(
        "a job that left still runs in its queue",
        "lib/job/leave_state.lua",
        'redis.call("ZREM", keys.running(record.queue), job.jid)',
        'redis.call("EXISTS", keys.running(record.queue))',
    ),
    Fault(
        "a job that left stays on the list of its worker",
        "lib/job/leave_state.lua",
        'redis.call("ZREM", keys.worker_jobs(record.worker), job.jid)',
        'redis.call("EXISTS", keys.worker_jobs(record.worker))',
    ),
    Fault(
        "an event is published before the last check",
        "progress.lua",
        "local job = lease_lib.load(jid, lease)",
        'redis.call("PUBLISH", KEYS[1] .. ":log", "{}")\nlocal job = lease_lib.load(jid, lease)',
    ),
    Fault(
        "arrival counts before age",
        "lib/queue/queue.lua",
        'struct.pack(">I6I6", math.max(eligible, 0), session.next(s))',
        'struct.pack(">I6I6", session.next(s), math.max(eligible, 0))',
    ),
    Fault(
        "a changed priority counts the wrong way round",
        "lib/admission/subqueues.lua",
        "local member, wanted = record.order .. job.jid, -(record.priority or 0)",
        "local member, wanted = record.order .. job.jid, record.priority or 0",
        scenario="priorities change",
    ),
    Fault(
        "an edit of running jobs changes their data",
        "edit.lua",
        "if not EDITABLE[job.record.state] then",
        "if job.record.state == nil then",
        scenario="data is edited",
    ),
    Fault(
        "an edit replaces data that was changed meanwhile",
        "edit.lua",
        "redis.sha1hex(job_lib.get_data(job)) ~= given.expects",
        'redis.sha1hex(job_lib.get_data(job)) == ""',
        scenario="data is edited",
    ),
    Fault(
        "completion forgets the dependents",
        "lib/job/completion.lua",
        'redis.call("EXISTS", keys.dependents(job.jid)) == 1',
        'redis.call("EXISTS", keys.dependents(job.jid)) == 2',
        scenario="a parent completes",
    ),
    Fault(
        "canceling forgets the dependents",
        "lib/job/removal.lua",
        'dependencies.release_dependents(s, job.jid, "canceled")',
        "",
    ),
    Fault(
        "failing forgets the dependents that do not wait",
        "lib/job/failing.lua",
        'dependencies.release_dependents(s, job.jid, "failed")',
        "",
        scenario="a parent fails",
    ),
    Fault(
        "a job that ended stays a member of its batch",
        "lib/job/completion.lua",
        "if record.batch then",
        "if record.batch and false then",
        scenario="a batch fails",
    ),
    Fault(
        "a failed member counts as a success of its batch",
        "lib/batch/batches.lua",
        'if read_outcome(batch) == "completed" then',
        "if batch then",
        scenario="a batch fails",
    ),
    Fault(
        "a tag counts one job too many",
        "lib/job/tags.lua",
        'redis.call("ZADD", keys.tags(), redis.call("ZCARD", key), tag)',
        'redis.call("ZADD", keys.tags(), redis.call("ZCARD", key) + 1, tag)',
    ),
    Fault(
        "an empty context removes none",
        "lib/job/context.lua",
        "record.context = next(given) and given or nil",
        "record.context = next(given) and given or record.context",
        scenario="a context is kept, replaced and removed",
    ),
    Fault(
        "a deleted job keeps its tags",
        "lib/job/removal.lua",
        'require("lib.job.tags").forget(job)\n  completion.end_belongings',
        "completion.end_belongings",
    ),
    Fault(
        "no memory of a jid outlives its job",
        "lib/job/completion.lua",
        "if record.keep then",
        "if record.keep and false then",
        scenario="a jid is remembered",
    ),
    Fault(
        "a dead process may pop again",
        "worker_died.lua",
        'redis.call("ZADD", keys.dead(), s.now, nonce)',
        "",
        scenario="a process dies",
    ),
    Fault(
        "a result belongs to a job only after its follow-ups",
        "complete.lua",
        "  completion.save_end(s, job)\n",
        "",
        scenario="a follow-up drops an edge",
    ),
    Fault(
        "a job that puts itself again is left out",
        "lib/job/follow_ups.lua",
        'spec.on_conflict or "replace"',
        'spec.on_conflict or "ignore"',
        scenario="a job puts itself again",
    ),
    Fault(
        "a replaced holder of a key loses its age",
        "lib/job/key_conflict.lua",
        'plan.eligible = require("lib.queue.queue").eligible_at(record)',
        "plan.eligible = nil",
        scenario="a holder of a key is replaced",
    ),
    Fault(
        "a batch does not count the job that does the work of a put",
        "lib/batch/membership.lua",
        "plan.joins = spec.batch",
        "plan.joins = nil",
        scenario="a batch counts the job that does the work",
    ),
    Fault(
        "a callback never replaces a job that has ended",
        "lib/job/releases.lua",
        'spec.on_conflict = "replace"',
        'spec.on_conflict = "ignore"',
        scenario="a callback meets a job of its jid",
    ),
    Fault(
        "a conflict of a callback is not recorded",
        "lib/batch/batches.lua",
        'redis.call("HSET", keys.batch_record(batch), callback .. "_conflict", holder)',
        "",
        scenario="a callback meets a job of its jid",
    ),
    Fault(
        "a unique key outlives its scope",
        "lib/job/unique.lua",
        "if not in_scope(job.record, own.scope) then",
        "if false then",
        scenario="a key is held",
    ),
    Fault(
        "there is no grace",
        "lib/job/reclaim.lua",
        "if grace <= 0 then",
        "if true then",
        scenario="a lease lapses twice",
    ),
    Fault(
        "a heartbeat in grace does not bring the next grace back",
        "heartbeat.lua",
        "job.record.grace = nil",
        "job.record.grace = true",
        scenario="a lease lapses twice",
    ),
    Fault(
        "nobody looks when the leases end",
        "lib/queue/lease_out.lua",
        'queue_lib.set_due("leases:" .. queue, ',
        'queue_lib.set_due("leases:none", ',
    ),
    Fault(
        "a scheduled job forgets when it was due",
        "lib/core/maintenance_tasks.lua",
        "queue_lib.to_waiting(s, job, queue, due_at)",
        "queue_lib.to_waiting(s, job, queue, s.now)",
        scenario="priorities change",
    ),
    Fault(
        "a released job loses its age",
        "lib/queue/queue.lua",
        "job.record.order = job.record.order or queue.order(s, s.now)",
        "job.record.order = queue.order(s, s.now)",
        scenario="a retry, a release, a snooze",
    ),
    Fault(
        "a job that stood ahead is released behind others",
        "lib/queue/queue.lua",
        "limits[record.ahead] or -(record.priority or 0)",
        "-(record.priority or 0)",
        scenario="a lost job is released",
    ),
    Fault(
        "a backlog makes one child too few",
        "lib/recurring/schedule.lua",
        "math.max(due - 1 - backlog, 0)",
        "math.max(due - backlog, 0)",
        scenario="ticks are missed",
    ),
    Fault(
        "a failure outlives completion",
        "lib/job/job.lua",
        'redis.call("DEL", keys.failure(self.jid))\n    self.record.has_failure = nil',
        "",
        scenario="few completed jobs are kept",
    ),
    Fault(
        "the first entry of a history is lost",
        "lib/job/history.lua",
        "table.remove(entries, 2)",
        "table.remove(entries, 1)",
        scenario="a history is full",
    ),
    Fault(
        "short data leaves the long one behind",
        "lib/job/job.lua",
        'redis.call("DEL", keys.data(self.jid))\n    self.record.apart = nil',
        "self.record.apart = nil",
        scenario="data grows and shrinks",
    ),
    Fault(
        "cycles are not refused",
        "lib/job/dependencies.lua",
        "if wanted[jid] or walked > limits.edges then",
        "if walked > limits.edges then",
        scenario="a parent completes",
    ),
    Fault(
        "a pause has no end",
        "lib/core/maintenance_tasks.lua",
        "if ends and ends <= s.now then",
        "if false then",
        scenario="a pause ends",
    ),
    Fault(
        "one completed job more than allowed is kept",
        "lib/core/retention.lua",
        "deleted >= excess then",
        "deleted >= excess - 1 then",
        scenario="few completed jobs are kept",
    ),
    Fault(
        "a worker that loses a job to a put is not notified",
        "lib/job/put.lua",
        "if plan.lost then",
        "if false then",
    ),
    Fault(
        "put_many writes jobs without options last",
        "lib/job/put_many.lua",
        "together[1] and not (plain and plan.spec.queue == together[1].spec.queue)",
        "false",
    ),
    Fault(
        "a job that waits for another is ready",
        "lib/job/put.lua",
        "queue_lib.to_depends(s, job, name, due)",
        "queue_lib.to_ready(s, job, name, due, at)",
    ),
    Fault(
        "the failure is not taken back",
        "lib/job/leave_state.lua",
        'require("lib.stats.series").undo_failure(s, record.queue, record.failed_at)',
        "",
    ),
    Fault(
        "a job may start at the very end of its time",
        "lib/job/expiry.lua",
        "record.expires > s.now",
        "record.expires >= s.now",
        scenario="a job comes too late",
    ),
    Fault(
        "the time of a job is over for ever",
        "lib/job/failing.lua",
        "record.expires = nil",
        "",
    ),
    Fault(
        "nobody comes again for what is behind a late job",
        "lib/queue/take.lua",
        "if s.has_expired_jobs or s.has_more then",
        "if s.has_more then",
    ),
    Fault(
        "a late job is chosen",
        "lib/admission/admission.lua",
        "if is_over(self, job) then",
        "if false then",
        scenario="some of a user come too late",
    ),
]
