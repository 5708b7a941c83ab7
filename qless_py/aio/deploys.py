"""Deploy markers: charts and failures show what changed since a version was deployed.

client.deploys.mark("v1.2")
client.deploys.list()[0].name  # "v1.2"
"""

from collections.abc import Awaitable

from qless_py.client.session import AsyncSession
from qless_py.protocol import deploys
from qless_py.protocol.deploys import Deploy


class AsyncDeploys:
    """`client.deploys`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def mark(self, name: str, *, by: str | None = None, once: bool = False) -> Awaitable[Deploy]:
        """Store that a version is deployed now, by the clock of the server.

        The name has at most 128 printable characters. With `once`, a marker that has the name
        already is returned instead. A namespace keeps the 100 newest markers.
        """
        call = deploys.mark(name, by, once=once)
        return self._session.runner.run(call.map(lambda marked: marked[0]))

    def list(self) -> Awaitable[list[Deploy]]:
        """Return all markers, the newest first."""
        return self._session.runner.run(deploys.read_all())

    def remove(self, deploy_id: str) -> Awaitable[bool]:
        """Delete a marker; returns whether there was one."""
        return self._session.runner.run(deploys.remove(deploy_id))
