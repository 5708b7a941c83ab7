"""Run Python blocks one after another in one namespace: JSON lines in, JSON lines out.

A program of its own, so that what a document does to its interpreter stays there.
"""

import doctest
import json
import linecache
import os
import sys
import traceback
from typing import Any


def run(code: str, name: str, line: int, namespace: dict[str, Any]) -> None:
    """Run a block; one that shows a session is compared with what it shows."""
    if code.lstrip().startswith(">>> "):
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        runner = doctest.DocTestRunner(optionflags=flags)
        test = doctest.DocTestParser().get_doctest(code, namespace, name, name, line - 1)
        test.globs = namespace
        output: list[str] = []
        runner.run(test, out=output.append, clear_globs=False)
        if runner.failures:
            raise AssertionError("".join(output))
        return
    # Blank lines in front make tracebacks name the line of the document.
    padded = "\n" * (line - 1) + code
    linecache.cache[name] = (len(padded), None, padded.splitlines(keepends=True), name)
    exec(compile(padded, name, "exec"), namespace)


def main(requests: int, replies: int) -> None:
    """Serve until the other side closes."""
    # As a script would have it: modules that the document wrote can be imported.
    sys.path.insert(0, "")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with os.fdopen(requests) as asked, os.fdopen(replies, "w") as answered:
        for request in asked:
            error = ""
            try:
                run(**json.loads(request), namespace=namespace)
            except BaseException:  # noqa: BLE001 - whatever a block raises is the report
                error = traceback.format_exc()
            sys.stdout.flush()
            answered.write(json.dumps(error) + "\n")
            answered.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
