"""Faults in what decides who may run, as in tests/properties/faults.py."""

from tests.properties.faults import Fault

FAULTS = [
    Fault(
        "one job more than allowed runs",
        "lib/throttles.lua",
        'record.concurrency and free(entry) < 1 then\n    return "concurrency"',
        'record.concurrency and free(entry) < 0 then\n    return "concurrency"',
    ),
    Fault(
        "a bucket never gets empty",
        "lib/throttles.lua",
        "record.tokens = record.tokens - cost",
        "record.tokens = record.tokens",
    ),
    Fault(
        "a bucket fills too fast",
        "lib/throttles.lua",
        "math.max(passed, 0) * record.rate / record.per",
        "math.max(passed, 0) * record.rate * 1.01 / record.per",
    ),
    Fault(
        "a bucket holds more than its burst",
        "lib/throttles.lua",
        "record.tokens = math.min(record.burst,\n    ",
        "record.tokens = math.min(record.burst + 1,\n    ",
    ),
    Fault(
        "tokens are looked for too late",
        "lib/throttles.lua",
        "math.max(math.ceil(wait - EASE), 1)",
        "math.max(math.ceil(wait - EASE), 1) + 5",
    ),
    Fault(
        "every job costs one",
        "lib/throttles.lua",
        "return record.costs and record.costs[id] or 1",
        "return 1",
    ),
    Fault(
        "nothing is kept for a job that was refused too often",
        "lib/admission.lua",
        "if record.passed >= limits.patience then",
        "if false then",
    ),
    Fault(
        "what is kept for one is given to another",
        "lib/throttles.lua",
        'if reserved and reserved.jid ~= jid and reserved["until"] > s.now then',
        "if false then",
    ),
    Fault(
        "only the first throttle of a job counts",
        "lib/admission.lua",
        'if reason or is_behind(self, job, id) then\n      return id, reason or "behind"\n    end',
        "do\n      return reason and id, reason\n    end",
    ),
    Fault(
        "one job overtakes another on a throttle",
        "lib/admission.lua",
        "return self.shut[id]\nend",
        "return false\nend",
    ),
    Fault(
        "the limit of a user does not count",
        "lib/admission.lua",
        "return reason and id\nend",
        "return nil\nend",
    ),
    Fault(
        "the limit of a queue does not count",
        "lib/admission.lua",
        "local reason, at = throttles.refusal(self.s, self.own, found.jid, 1)\n  if reason then",
        "local reason, at\n  if reason then",
    ),
    Fault(
        "a job that can never be paid for stops all behind it",
        "lib/admission.lua",
        'if why == "cost" then',
        "if false then",
    ),
    Fault(
        "a slot is never given back",
        "lib/holders.lua",
        'if redis.call("ZREM", keys.holders(id), job.jid) == 1 then\n      recount',
        'if redis.call("EXISTS", keys.holders(id)) == 1 then\n      recount',
    ),
    Fault(
        "nobody looks when a slot is given back",
        "lib/holders.lua",
        "opening.slot(s, id)",
        "",
    ),
    Fault(
        "nobody looks when a slot is taken away from a job",
        "lib/holders.lua",
        "opening.open(s, id)",
        "",
    ),
    Fault(
        "nobody looks when limits change",
        "lib/throttle_settings.lua",
        "list_user_of(s, id)\n  opening.changed(s, id)\nend\n\n-- Replaces",
        "list_user_of(s, id)\nend\n\n-- Replaces",
    ),
    Fault(
        "a parked job stays listed when it runs",
        "lib/outcome.lua",
        'redis.call("ZREM", keys.parked(lane.gate), unpack(jids))',
        "",
    ),
    Fault(
        "a user without jobs takes part",
        "lib/lanes.lua",
        'redis.call("ZREM", keys.sharers(queue, gate), user)',
        "",
    ),
    Fault(
        "a weight means nothing",
        "lib/fairness.lua",
        "1 / user.weight",
        "1",
    ),
    Fault(
        "no pop knows what users got of the one before",
        "lib/outcome.lua",
        'redis.call("ZADD", key, unpack(scores))',
        "",
    ),
    Fault(
        "who comes late makes up for all that time",
        "lib/fairness.lua",
        "self.virtual = user.start",
        "",
    ),
    Fault(
        "the young come before the old",
        "lib/fairness.lua",
        "return age < other_age",
        "return age > other_age",
    ),
    Fault(
        "a changed priority means nothing to the jobs of users",
        "lib/lanes.lua",
        'redis.call("ZADD", lanes.key(record.queue, user, gate), wanted, member)',
        "",
    ),
    Fault(
        "a job that backs off blocks nothing",
        "back_off.lua",
        "local blocked = chosen()",
        "local blocked = {}",
    ),
]
