"""Deploy markers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from qless_py import protocol
from qless_py.http.context import caller, client
from qless_py.http.fields import Answer, Model, Name
from qless_py.http.problems import Problem
from qless_py.http.route import Reply, Routes

routes = Routes("deploys", "Mark when versions are deployed; charts and failures show it.")

# Lua and Python check it again: spaces alone are no name.
DeployName = Annotated[
    str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["v1.2"])
]


class MarkBody(Model):
    """A version that is deployed now."""

    name: DeployName
    once: bool = Field(
        default=False, description="Return the marker that has this name, if there is one."
    )


class DeployAnswer(Answer):
    """A deploy marker; `at` is by the server's clock."""

    id: str
    name: str
    at: float
    by: str | None


class DeploysAnswer(Answer):
    """Deploy markers, the newest first, at most 100."""

    deploys: list[DeployAnswer]


@routes.get("/deploys", scope="read", returns=DeploysAnswer)
def list_deploys() -> Any:
    """List deploy markers."""
    return {"deploys": [asdict(one) for one in client().deploys.list()]}


@routes.post("/deploys", scope="operate", returns={201: DeployAnswer, 200: DeployAnswer})
def mark_deploy(body: MarkBody) -> Reply:
    """Mark that a version is deployed now; 200 if `once` found a marker of this name."""
    caller().require_all_queues("deploy markers")
    by = caller().name
    marker, is_new = client().run(protocol.deploys.mark(body.name, by, once=body.once))
    return Reply(asdict(marker), 201 if is_new else 200)


@routes.delete("/deploys/<deploy>", scope="operate", problems=("deploy-not-found",))
def remove_deploy(deploy: Name) -> None:
    """Remove a deploy marker."""
    caller().require_all_queues("deploy markers")
    if not client().deploys.remove(deploy):
        raise Problem("deploy-not-found", f"there is no deploy marker {deploy}")
