"""Take waiting jobs out of qless, RQ and Celery."""

from qless_py.transfer.migrate.run import MigrationReport, Refusal, migrate

__all__ = ["MigrationReport", "Refusal", "migrate"]
