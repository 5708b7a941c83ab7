"""Move jobs between stores: export and import as JSON lines, and migration from other queues.

report = transfer.export_jobs(client, "jobs.jsonl", "queue:mail")
report = transfer.import_jobs(other, "jobs.jsonl", queues={"mail": "letters"})
"""

from qless_py.transfer.adapter import with_arguments
from qless_py.transfer.exporting import ExportReport, export_jobs
from qless_py.transfer.file import ExportFileError
from qless_py.transfer.importing import ImportReport, import_jobs
from qless_py.transfer.migrate import MigrationReport, migrate

__all__ = [
    "ExportFileError",
    "ExportReport",
    "ImportReport",
    "MigrationReport",
    "export_jobs",
    "import_jobs",
    "migrate",
    "with_arguments",
]
