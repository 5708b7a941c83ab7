# Generated from qless_py/aio/deploys.py by bin/generate-sync: edit that file.
"""Deploy markers: charts and failures show what changed since a version was deployed.

client.deploys.mark("v1.2")
client.deploys.list()[0].name  # "v1.2"
"""

from qless_py.client.session import Session
from qless_py.protocol import deploys
from qless_py.protocol.deploys import Deploy


class Deploys:
    """`client.deploys`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def mark(self, name: str, *, by: str | None = None, once: bool = False) -> Deploy:
        """Store that a version is deployed now, by the clock of the server.

        The name has at most 128 printable characters. With `once`, a marker that has the name
        already is returned instead. A namespace keeps the 100 newest markers.
        """
        call = deploys.mark(name, by, once=once)
        return self._session.runner.run(call.map(lambda marked: marked[0]))

    def list(self) -> list[Deploy]:
        """Return all markers, the newest first."""
        return self._session.runner.run(deploys.read_all())

    def remove(self, deploy_id: str) -> bool:
        """Delete a marker; returns whether there was one."""
        return self._session.runner.run(deploys.remove(deploy_id))
