"""The API about itself."""

from __future__ import annotations

from typing import Any

from flask import request

from qless_py import package
from qless_py.http import openapi
from qless_py.http.fields import Answer, Line
from qless_py.http.problems import CODES, Problem
from qless_py.http.route import Routes

routes = Routes("meta", "The API about itself.")


class ProblemCode(Answer):
    """A code of problems: its status, and what it means."""

    code: str
    status: int
    meaning: str


class ProblemCodes(Answer):
    """All codes of problems."""

    codes: list[ProblemCode]


class Version(Answer):
    """The version of the server."""

    version: str


@routes.get("/version", scope="read", returns=Version)
def get_version() -> Any:
    """Read the version of the server."""
    return {"version": package.__version__}


@routes.get("/problems", scope=None, returns=ProblemCodes)
def list_problems() -> Any:
    """List the codes of problems."""
    return {"codes": [_code(one) for one in sorted(CODES)]}


@routes.get("/problems/<code>", scope=None, returns=ProblemCode, problems=("not-found",))
def get_problem(code: Line) -> Any:
    """Read what a code of problems means."""
    if code not in CODES:
        raise Problem("not-found", f"no problem has the code {code!r}")
    return _code(code)


def _code(code: str) -> dict[str, Any]:
    status, meaning = CODES[code]
    return {"code": code, "status": status, "meaning": meaning}


@routes.get("/openapi.json", scope=None, returns=Answer)
def get_openapi() -> Any:
    """Read this description."""
    from qless_py.http.routes import SUBJECTS  # noqa: PLC0415 - it lists these routes too

    server = request.script_root + request.path.removesuffix("/openapi.json")
    return openapi.describe(SUBJECTS, server)
