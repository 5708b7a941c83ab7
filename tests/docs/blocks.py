"""Find the code blocks of a document and how to run each of them."""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\s*$")
_NOT_RUN = re.compile(r"<!-- not run: (\S.*) -->")
_RUNS_ON = "<!-- runs until stopped -->"
_FILE = re.compile(r"^# ([\w./-]+\.\w+)$")
# What a test cannot do to the machine it runs on, or would end in calling itself.
_NOT_FOR_TESTS = re.compile(
    r"pip install|-m venv|git clone|apt(-get)? install|bin/(test|check|fix)"
)

RUN = ("python", "bash", "console")
# Other names of the same: one spelling keeps a block from being passed over in silence.
_MISSPELLED = {"py", "pycon", "python3", "sh", "shell", "shell-session", "zsh", ""}


class BadDocumentError(Exception):
    """The document has a block that the rules do not allow."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `line` is that of its first line of code, counted from 1."""

    language: str
    code: str
    line: int
    not_run: str = ""
    runs_on: bool = False

    @property
    def file(self) -> str:
        """The file that the block is the text of, named alone in its first line."""
        named = _FILE.match(self.code.partition("\n")[0])
        return named[1] if named else ""


def find(path: Path) -> list[Block]:
    """Return the blocks of the document in their order; refuse those nobody would run."""
    lines = path.read_text().splitlines()
    blocks: list[Block] = []
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence:
            end = _end(lines, at, fence["indent"])
            blocks.append(_block(lines, at, end, fence))
            at = end
        at += 1
    for block in blocks:
        _check(path, block)
    return blocks


def _end(lines: list[str], start: int, indent: str) -> int:
    for at in range(start + 1, len(lines)):
        if lines[at].rstrip() == f"{indent}```":
            return at
    raise BadDocumentError(f"the block of line {start + 1} has no end")


def _block(lines: list[str], start: int, end: int, fence: re.Match[str]) -> Block:
    code = "".join(f"{line.removeprefix(fence['indent'])}\n" for line in lines[start + 1 : end])
    before = next((line.strip() for line in reversed(lines[:start]) if line.strip()), "")
    not_run = _NOT_RUN.fullmatch(before)
    return Block(
        language=fence["language"],
        code=code,
        line=start + 2,
        not_run=not_run[1] if not_run else "",
        runs_on=before == _RUNS_ON,
    )


def _check(path: Path, block: Block) -> None:
    where = f"{path.name}:{block.line}"
    if block.language in _MISSPELLED:
        raise BadDocumentError(f"{where}: name the language, one of {', '.join(RUN)} to be run")
    if block.not_run and not _NOT_FOR_TESTS.search(block.code):
        raise BadDocumentError(f"{where}: only what installs or tests may stay without a run")
    if block.runs_on and block.language not in {"bash", "console"}:
        raise BadDocumentError(f"{where}: only a command can run until it is stopped")
