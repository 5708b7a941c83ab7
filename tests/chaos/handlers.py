"""The handler of the chaos test: it logs its start and its end in the ledger."""

import os
import threading

from qless_py import Job
from tests.chaos.ledger import Ledger, Line


def work(job: Job) -> str:
    ledger = Ledger(job["ledger"])
    ledger.write(Line("start", job.jid, job.lease, os.getpid()))
    threading.Event().wait(job["seconds"])
    ledger.write(Line("end", job.jid, job.lease, os.getpid()))
    ledger.close()
    return job.lease
