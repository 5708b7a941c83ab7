"""The page that describes the API and sends requests to it."""

from __future__ import annotations

from qless_py.http.routes import SUBJECTS
from tests.http.conftest import Api


def test_every_route_is_on_the_page(api: Api) -> None:
    answer = api("GET", "/try")

    assert answer.mimetype == "text/html"
    for route in (one for subject in SUBJECTS for one in subject.all):
        assert f'id="{route.name}"' in answer.text
    assert "app.mail.Send" in answer.text


def test_the_page_loads_nothing_from_elsewhere(api: Api) -> None:
    answer = api("GET", "/try")

    assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]
    for name, kind in (("try.js", "text/javascript"), ("try.css", "text/css")):
        assert f'"/api/v1/try/{name}"' in answer.text
        assert api("GET", f"/try/{name}").mimetype == kind
    assert api.problem("GET", "/try/other.js")["status"] == 404
