"""One thing done to the rows that somebody chose in a list."""

from __future__ import annotations

from typing import Final

from flask import request
from werkzeug.wrappers import Response as Answer

from qless_py.client import bulk
from qless_py.client.search import STATES
from qless_py.dashboard import commands
from qless_py.dashboard import flash as notes
from qless_py.dashboard.actions import Effect, ask, is_confirmed, perform, requires
from qless_py.dashboard.auth.access import Role
from qless_py.dashboard.context import client
from qless_py.dashboard.pages.operations import DONE, params_of
from qless_py.errors import BadArgumentError

_TOLD: Final = 5


@requires(Role.OPERATOR)
def change_chosen() -> str | Answer:
    """Change the chosen jobs; those that have left the state of the list meanwhile are refused."""
    action = request.form.get("action", "")
    if action not in bulk.ACTIONS:
        raise BadArgumentError(f"there is no action {action!r}")
    jids = list(dict.fromkeys(one for one in request.form.getlist("jid") if one))
    state = request.form.get("state", "")
    states = [state] if state in STATES else []

    def act() -> str:
        if not jids:
            raise BadArgumentError("no job is chosen")
        to_do = bulk.store_action(action, states, **params_of(action))
        outcome = bulk.apply(client(), to_do, jids)
        refusals = [str(error) for error in outcome.errors.values()]
        for text in refusals[:_TOLD]:
            notes.say(text, "refused")
        if len(refusals) > _TOLD:
            notes.say(f"and {len(refusals) - _TOLD} more were refused", "refused")
        return f"{outcome.done} of {len(jids)} jobs {DONE[action]}"

    if jids and action in {"cancel", "timeout"}:
        effect = Effect(
            f"{action.capitalize()} {len(jids)} {state} jobs".replace("  ", " "),
            f"They {DONE[action]}.",
            f"{action.capitalize()} them",
            len(jids),
            commands.to_jobs(action, jids, {}),
        )
        if not is_confirmed(effect):
            return ask(effect)
    return perform(f"{action} of {len(jids)} chosen jobs", act)


ROUTES: Final = (("POST", "/jobs/chosen", change_chosen),)
