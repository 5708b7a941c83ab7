"""Generate the synchronous client from the asyncio one; run it by `bin/generate-sync`.

A module of `qless_py/aio` in `MODULES` is the source of its twin in `qless_py/client`. The twin has
the same text with these changes:

* `async` and `await` are dropped, and `Awaitable[X]` becomes `X`;
* `AsyncName` becomes `Name`, `qless_py.aio` becomes `qless_py.client`, and the names in `WORDS` are
  replaced;
* a comment line `# sync> TEXT` becomes TEXT: what only the synchronous module has.

What truly differs is written by hand in `aio/base.py` and `client/base.py`.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "qless_py"
MODULES: Final = {
    "audit": "audit",
    "batch": "batch",
    "canceled": "canceled",
    "client": "client",
    "deploys": "deploys",
    "drive": "drive",
    "event_stream": "event_stream",
    "jid": "jid",
    "failures": "failures",
    "job": "job",
    "jobs": "jobs",
    "pipeline": "pipeline",
    "put_all": "put_all",
    "queue": "queue",
    "recurring": "recurring",
    "refill": "refill",
    "stats": "stats",
    "throttles": "throttles",
    "tokens": "tokens",
    "users": "users",
    "wait": "wait",
    "webhooks": "webhooks",
    "workers": "workers",
    "workflow": "workflow/runs",
}
WORDS: Final = {
    "import redis.asyncio as redis_py": "import redis as redis_py",
    "qless_py.aio.workflow": "qless_py.client.workflow.runs",
    "qless_py.aio": "qless_py.client",
    "store.async_runner": "store.runner",
    "connect_async": "connect",
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
}
_WORDS: Final = re.compile("|".join(re.escape(word) for word in WORDS))
_ONLY_SYNC: Final = re.compile(r"^( *)# sync> (.*)$", re.MULTILINE)
_KEYWORDS: Final = re.compile(r"\b(?:async|await) ")
_CLASSES: Final = re.compile(r"\bAsync(?=[A-Z])")


def synchronous(source: str, name: str) -> str:
    """Return the text of the synchronous twin of a module, before it is formatted."""
    text = _ONLY_SYNC.sub(r"\1\2", source)
    text = _WORDS.sub(lambda found: WORDS[found[0]], text)
    text = _KEYWORDS.sub("", text)
    text = _without_awaitable(text)
    text = _CLASSES.sub("", text)
    return f"# Generated from qless_py/aio/{name}.py by bin/generate-sync: edit that file.\n{text}"


def _without_awaitable(text: str) -> str:
    """Replace each `Awaitable[X]` by X."""
    marker = "Awaitable["
    while (start := text.find(marker)) >= 0:
        depth, end = 1, start + len(marker)
        while depth:
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
        text = text[:start] + text[start + len(marker) : end - 1] + text[end:]
    return text


def formatted(text: str, path: Path) -> str:
    """Return the text as ruff lays it out, with sorted imports and without unused ones."""
    for command in (["check", "--fix-only"], ["format"]):
        ruff = [
            str(Path(sys.executable).parent / "ruff"),
            *command,
            "--quiet",
            f"--stdin-filename={path}",
            "-",
        ]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main() -> int:
    """Write the twins, or name those that differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    only_check = parser.parse_args().check
    differing = []
    for name, twin in MODULES.items():
        path = PACKAGE / "client" / f"{twin}.py"
        source = (PACKAGE / "aio" / f"{name}.py").read_text(encoding="utf-8")
        wanted = formatted(synchronous(source, name), path)
        if path.is_file() and path.read_text(encoding="utf-8") == wanted:
            continue
        differing.append(path.relative_to(ROOT))
        if not only_check:
            path.write_text(wanted, encoding="utf-8")
    for path in differing if only_check else ():
        print(f"{path} differs from its source: run bin/generate-sync", file=sys.stderr)
    return 1 if only_check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
