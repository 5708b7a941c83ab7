"""The handlers of the demo's jobs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from qless_py import Client, Job
from qless_py.cli.demo import indexing
from qless_py.cli.demo.indexing import FileCount, Totals
from qless_py.protocol.options import PutSpec

BATCH: Final = "index"
TAG: Final = "source-file"
SURVEY, CLOSING, FOLDERS, FILES, REPORT = "survey", "closing", "folders", "files", "report"
QUEUES: Final = (SURVEY, CLOSING, FOLDERS, REPORT, FILES)
REPORT_JID: Final = "report"
MAX_LISTED: Final = 10
_STEP: Final = 100  # A completion can put, and depend on, at most this many jobs.
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.:@~+-]")
_MAX_NAME: Final = 128


class Survey:
    """The first job: put a job for each folder of the tree, all in one batch.

    It then moves to the queue `closing`, where it waits for the folder jobs, a hundred at a time.
    It ends when each of them has put its file jobs, and with it the batch closes.
    """

    @staticmethod
    def survey(job: Job) -> None:
        """Put the folder jobs, then move on."""
        report: PutSpec = {
            "klass": Report,
            "queue": REPORT,
            "jid": REPORT_JID,
            "data": job["report"],
        }
        batch = job.batch(BATCH, on_complete=report)
        specs = [_folder_spec(root, folder) for root in job["roots"] for folder in _tree(root)]
        jids: list[str] = []
        for at in range(0, len(specs), _STEP):
            jids += batch.put_many(FOLDERS, specs[at : at + _STEP])
        job["folders"] = jids
        Survey.closing(job)

    @staticmethod
    def closing(job: Job) -> None:
        """Wait for the next hundred folder jobs, or end."""
        waited_for, job["folders"] = job["folders"][:_STEP], job["folders"][_STEP:]
        if waited_for:
            # Even if a folder cannot be read, the batch must close.
            job.complete(CLOSING, depends=waited_for, on_parent_failed="run")


class Folder:
    """List one folder and put a job for each source file in it."""

    @staticmethod
    def perform(job: Job) -> dict[str, int] | None:
        """Put jobs for the next hundred files; a larger folder takes several runs."""
        folder = Path(job["root"]["path"], job["folder"])
        files = indexing.list_folder(folder).files
        begin = job["done"]
        for name in files[begin : begin + _STEP]:
            path = str(Path(job["folder"], name))
            data = {"root": job["root"], "path": path}
            jid = jid_of("file", job["root"], path)
            # Sent with the completion of this job: all of them are put, or none.
            job.put(FILES, File, data, jid=jid, batch=BATCH, tags=[TAG])
        if begin + _STEP < len(files):
            job["done"] = begin + _STEP
            job.complete(FOLDERS)
            return None
        return {"files": len(files)}


class File:
    """Hash and parse one source file."""

    @staticmethod
    def perform(job: Job) -> dict[str, Any]:
        """Return the counts as the result of the job."""
        path = Path(job["root"]["path"], job["path"])
        return indexing.count_file(path, strict=job["root"]["strict"]).as_result()


class Report:
    """Add up the results of all file jobs, once the batch has finished."""

    @staticmethod
    def perform(job: Job) -> dict[str, Any]:
        """Return the totals and the largest modules."""
        totals, sizes = Totals(), []
        with contextlib.closing(Client(job["url"], namespace=job["namespace"])) as client:
            for path, count in _results(client):
                totals.add(count)
                sizes.append((count.lines, path, count.functions, count.classes))
        largest = [list(row) for row in sorted(sizes, reverse=True)[:MAX_LISTED]]
        return {"totals": asdict(totals), "largest": largest}


def jid_of(what: str, root: dict[str, Any], path: str) -> str:
    """Return the jid for a path: always the same, readable where possible."""
    name = f"{what}:{root['name']}:{path.replace(os.sep, ':')}"
    if len(name) <= _MAX_NAME and not _NOT_IN_NAMES.search(name):
        return name
    return f"{what}:{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}"


def _tree(root: dict[str, Any]) -> list[str]:
    found = ["."]
    for folder in found:  # Grows during the iteration.
        below = indexing.list_folder(Path(root["path"], folder)).folders
        found += [os.path.normpath(Path(folder, name)) for name in below]
    return found


def _folder_spec(root: dict[str, Any], folder: str) -> PutSpec:
    data = {"root": root, "folder": folder, "done": 0}
    return {"klass": Folder, "data": data, "jid": jid_of("folder", root, folder)}


def _results(client: Client) -> list[tuple[str, FileCount]]:
    found: list[tuple[str, FileCount]] = []
    offset = 0
    while True:
        page = client.jobs.tagged(TAG, offset, 1000)
        found += [
            (job["path"], FileCount(**job.result))
            for job in client.jobs.get(page["jobs"])
            if isinstance(job, Job) and job.state == "complete"
        ]
        offset += len(page["jobs"])
        if not page["jobs"] or offset >= page["total"]:
            return found
