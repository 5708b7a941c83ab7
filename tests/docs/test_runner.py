"""The document runner detects blocks that fail or show wrong output."""

from pathlib import Path

import pytest

from tests.docs import blocks, runner

pytestmark = pytest.mark.docs

ENDS_BADLY = """\
<!-- runs until stopped -->
```bash
trap 'exit 3' TERM
echo ready
touch ready
sleep 100 & wait
```
"""
TALKS_TO_THE_NEXT = """\
<!-- runs until stopped -->
```bash
mkfifo pipe; echo up; echo hello > pipe; exec sleep 100
```
```console
$ until [ -p pipe ]; do :; done; cat pipe
hello
```
"""


def run(tmp_path: Path, text: str) -> None:
    document = tmp_path / "page.md"
    document.write_text(text)
    with runner.running("page.md") as running:
        for block in blocks.find(document):
            running.run(block)


def test_python_blocks_share_names_and_the_folder_with_commands(tmp_path: Path) -> None:
    run(
        tmp_path,
        "```python\n# module.py\nvalue = 41\n```\n"
        "```python\nimport module\nfound = module.value\n```\n"
        "```python\nopen('out', 'w').write(str(found + 1))\n```\n"
        "```console\n$ cat out\n42\n$ echo one \\\n  two\none ...\n```\n"
        "```python\n>>> found\n41\n```\n",
    )


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```python\nmissing\n```", "page.md.*line 2"),
        ("```python\n>>> 1 + 1\n3\n```", "Expected"),
        ("```bash\nfalse\ntrue\n```", "ended with 1"),
        ("```console\n$ echo one\ntwo\n```", "shown"),
        ("```console\necho one\n```", "no line begins"),
        (f"{ENDS_BADLY}```bash\nuntil [ -e ready ]; do :; done\n```", "was stopped with 3"),
    ],
)
def test_a_block_that_does_not_do_what_it_shows_fails(
    tmp_path: Path, block: str, message: str
) -> None:
    with pytest.raises(runner.BlockFailedError, match=f"(?s){message}"):
        run(tmp_path, f"{block}\n")


@pytest.mark.parametrize(
    "block",
    [
        "```sh\ntrue\n```",
        "```\ntrue\n```",
        "```bash\ntrue\n",
        "<!-- not run: lazy -->\n```bash\ntrue\n```",
        "<!-- runs until stopped -->\n```python\npass\n```",
    ],
)
def test_a_block_that_would_be_skipped_silently_is_rejected(tmp_path: Path, block: str) -> None:
    with pytest.raises(blocks.BadDocumentError):
        run(tmp_path, f"{block}\n")


def test_an_installation_may_stay_without_a_run(tmp_path: Path) -> None:
    run(tmp_path, "<!-- not run: makes one -->\n```bash\npython3 -m venv x\nfalse\n```\n")


def test_a_background_command_that_fails_is_detected_without_later_blocks(tmp_path: Path) -> None:
    wrong = "python -m qless_py web --no-such-option"

    with pytest.raises(runner.BlockFailedError, match="No such option"):
        run(tmp_path, f"<!-- runs until stopped -->\n```bash\n{wrong}\n```\n")


def test_what_runs_until_stopped_runs_beside_the_later_blocks(tmp_path: Path) -> None:
    run(tmp_path, TALKS_TO_THE_NEXT)


IN_COPIES = """\
```console
$ qless-py queues --json | jq -c .
{"queues":[]}
$ mkdir sub; cd sub; echo '{"n": 1}' | QLESS_PY_NAMESPACE=other qless-py put mail app.Send - | wc -l
1
$ qless-py queues --namespace other --json | jq '.queues[0].name'
"mail"
$ qless-py no-such-command 2>&1 || echo $?
Error: unknown command ...
2
$ qless-py listen --all & until qless-py queues >/dev/null; do :; done; kill $!; wait $!; echo $?
...
0
```
"""


def test_a_copy_of_the_warm_program_behaves_as_a_new_process(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(IN_COPIES)
    with runner.warm_program() as warm, runner.running("page.md", warm) as running:
        for block in blocks.find(document):
            running.run(block)
