"""The frame of all pages: menu, title, preferences of a browser, static files, signing out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from qless_py import Client
from qless_py.auth.identity import BasicAuth, Role, hash_password
from qless_py.dashboard.context import STATIC_FOLDER
from qless_py.dashboard.navigation import ITEMS
from tests.dashboard.conftest import Visitor

IMPORT = re.compile(r'^import .*?"\./(\w+\.js)";', re.MULTILINE)
MAX_BYTES = 75_000
MAX_EXTRA_BYTES = 5_000


def _fail(client: Client, number: int) -> None:
    client.queues["mail"].put_many([{"klass": "K"}] * number)
    for job in client.queues["mail"].pop(number):
        job.fail("K:Error", "no")


def test_the_menu_lists_every_page_once(visitor: Visitor) -> None:
    page = visitor.get("/throttles").text
    menu = page[page.index("<nav") : page.index("</nav>")]

    assert re.findall(r'data-go="(\w)"', menu) == [one.key for one in ITEMS]
    assert len({one.key for one in ITEMS}) == len(ITEMS)
    assert re.findall(r'aria-current="page">(\w+)<', menu) == ["Throttles"]
    assert '<summary class="here">Throttles</summary>' in menu
    assert ">Schedules</a>" in menu
    assert "<title>Throttles · qless_py</title>" in page


def test_the_number_of_failed_jobs_is_in_menu_and_title(client: Client, visitor: Visitor) -> None:
    _fail(client, 3)

    for path in ("/tags", "/", "/nowhere"):
        page = visitor.get(path).text
        assert "<title>(3) " in page
        assert '<span class="count" data-total="failed">3</span>' in page


def test_jobs_have_a_tab_with_a_count_for_each_state(client: Client, visitor: Visitor) -> None:
    _fail(client, 2)
    client.queues["mail"].put("K", jid="waits")
    client.queues["mail"].put("K", delay=60)
    done = client.queues["mail"].pop()
    assert done is not None
    done.complete()

    page = visitor.get("/completed", follow_redirects=True).text
    filtered = visitor.get("/jobs?q=queue:mail+state:failed").text

    tabs = re.findall(r'<a href="(/jobs[^"]*)"[^>]*>(\w+) <span class="count">(\d+)</span>', page)
    assert {name: count for _, name, count in tabs if count != "0"} == {
        "Scheduled": "1", "Failed": "2", "Complete": "1",
    }  # fmt: skip
    assert 'href="/jobs?q=state:complete" aria-current="page"' in page
    assert 'data-jid="waits"' in page
    assert 'href="/jobs?q=state:failed+queue:mail" aria-current="page">Failed</a>' in filtered
    assert 'href="/jobs?q=queue:mail">All</a>' in filtered


def test_preferences_are_kept_in_the_browser(visitor: Visitor) -> None:
    wanted = "theme=dark&density=compact&live=off&interval=60&zone=Asia/Tokyo"
    before = visitor.get("/tags").text
    answer = visitor.get(f"/preferences?{wanted}&back=/tags?size=5")
    after = visitor.get("/tags").text
    visitor.get("/preferences?theme=pink&zone=Nowhere/Else&interval=-1&back=//evil.example.org")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/tags?size=5")
    assert "data-theme" not in before
    assert '<html lang="en" data-density="compact" data-theme="dark">' in after
    assert 'data-live-updates="off" data-interval="60"' in after
    assert visitor.get("/tags").text == after
    assert "as of 07:13:20 JST" in after


def test_another_site_cannot_change_preferences(visitor: Visitor) -> None:
    visitor.get("/preferences?theme=dark", headers={"Sec-Fetch-Site": "cross-site"})

    assert "data-theme" not in visitor.get("/tags").text


def test_signing_out_makes_the_browser_forget_its_password(
    visit: Callable[..., Visitor], visitor: Visitor
) -> None:
    people = BasicAuth({"ann": (hash_password("a password", "salt"), Role.VIEWER)})
    ann = visit(auth=[people], trusted_hosts=["localhost"])
    page = ann.get("/tags", auth=("ann", "a password")).text
    answer = ann.get("/sign-out", auth=("ann", "a password"))

    assert 'href="/sign-out"' in page
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert "<h1>Signed out</h1>" in answer.text
    assert "Sign out" not in visitor.get("/tags").text
    assert visitor.get("/sign-out").headers["Location"] == "/"


def test_modules_import_others_of_the_same_version(visitor: Visitor) -> None:
    (source,) = re.findall(r'<script type="module" src="([^"]+)"', visitor.get("/tags").text)
    folder = source.rpartition("/")[0]
    seen: set[str] = set()
    wanted = {"app.js"}

    while wanted - seen:
        name = min(wanted - seen)
        answer = visitor.get(f"{folder}/{name}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        seen.add(name)
        wanted |= set(IMPORT.findall(answer.text))
    older = visitor.get("/static/v-0123456789ab/app.js")

    assert {"live.js", "regions.js", "keys.js"} <= seen
    assert older.status_code == 200
    assert older.headers["Cache-Control"] == "no-store"
    assert visitor.get("/static/v-0123456789ab/../../templates/x").status_code == 404


def test_every_module_is_valid() -> None:
    # One that is not keeps all that import it from loading.
    check = ["node", "--check", "--input-type=module"]
    for path in STATIC_FOLDER.glob("*.js"):
        with path.open() as source:
            found = subprocess.run(check, stdin=source, capture_output=True, text=True, check=False)
        assert found.returncode == 0, (path.name, found.stderr)


def test_scripts_and_styles_of_every_page_stay_small(visitor: Visitor) -> None:
    page = visitor.get("/tags").text
    wanted = {
        url.rpartition("/")[2] for url in re.findall(r'(?:href|src)="([^"]+\.(?:css|js))"', page)
    }
    seen: set[str] = set()
    while wanted - seen:
        name = min(wanted - seen)
        seen.add(name)
        wanted |= set(IMPORT.findall((STATIC_FOLDER / name).read_text()))

    sizes = {one.name: one.stat().st_size for one in STATIC_FOLDER.glob("*.[cj]s*")}
    assert sum(sizes[name] for name in seen) < MAX_BYTES
    # What single pages add to that.
    assert max(size for name, size in sizes.items() if name not in seen) < MAX_EXTRA_BYTES
