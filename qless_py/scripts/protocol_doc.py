"""Write the part of docs/protocol.md that the headers tell; export the scripts it is about."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from qless_py import package
from qless_py.scripts import assemble

BEGIN = "<!-- The rest of this part is written by bin/protocol from the headers of the scripts. -->"
END = "<!-- Here it ends. -->"

_SIGNATURE = re.compile(r"(?:read/)?(\w+)\(([^)]*)\) -> (\S.*)")
_FIELD = re.compile(r"(Errors|Events|Flags): *(.*)")
_FLAGS = {
    "none": "refused when the server's memory is full",
    "allow-oom": "runs also when the server's memory is full",
    "no-writes": "only reads",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a Lua file says about itself; ``variadic`` is the name of the arguments at the end."""

    name: str
    arguments: tuple[str, ...]
    variadic: str
    reply: str
    guarantee: str
    errors: tuple[str, ...]
    events: tuple[str, ...]
    flags: str

    @property
    def signature(self) -> str:
        """The script as a call, without the reply."""
        shown = [*self.arguments, *([f"{self.variadic}…"] if self.variadic else [])]
        return f"{self.name}({', '.join(shown)})"


def read(name: str) -> Header:
    """Read the header of the script of that name."""
    file = package.path("lua") / f"{name}.lua"
    return parse(name, file.read_text(encoding="utf-8"))


def parse(name: str, source: str) -> Header:
    """Read the header out of the text of a Lua file."""
    lines = _comment(source)
    signature = _SIGNATURE.fullmatch(lines[0]) if lines else None
    if signature is None or signature[1] != name.rpartition("/")[2]:
        raise assemble.ScriptError(f"{name}.lua does not begin with '-- {name}(…) -> reply'")
    fields: dict[str, list[str]] = {"": []}
    current = ""
    for line in lines[1:]:
        field = _FIELD.fullmatch(line)
        if field:
            current = field[1]
        fields.setdefault(current, []).append(field[2] if field else line)
    said = {field: " ".join(text).strip() for field, text in fields.items()}
    if not said[""]:
        raise assemble.ScriptError(f"{name}.lua does not say in its second line what it guarantees")
    named = [argument.strip() for argument in signature[2].split(",")]
    last = re.fullmatch(r"(\w*)(?:\.\.\.|…)", named[-1])
    is_query = name.startswith(f"{assemble.QUERY_FOLDER}/")
    return Header(
        name=name,
        arguments=tuple(named[:-1] if last else named),
        variadic=(last[1] or "more") if last else "",
        reply=signature[3],
        guarantee=said[""],
        errors=_words(said.get("Errors", "")),
        events=_words(said.get("Events", "")),
        flags=said.get("Flags", "no-writes" if is_query else ""),
    )


def section() -> str:
    """Write the generated part: every script, transitions first."""
    headers = [read(name) for name in assemble.names()]
    transitions = [header for header in headers if header.flags != "no-writes"]
    queries = [header for header in headers if header.flags == "no-writes"]
    parts = ["## Transitions", *map(_entry, transitions), "## Queries", *map(_entry, queries)]
    return "\n\n".join([BEGIN, *parts, END])


def document(existing: str) -> str:
    """Give the document with its generated part as the scripts have it now."""
    before, begin, rest = existing.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise assemble.ScriptError(f"docs/protocol.md lacks the lines {BEGIN!r} and {END!r}")
    return before + section() + after


def export(folder: Path) -> None:
    """Write every assembled script as ``<folder>/<name>.lua``, byte for byte what its SHA names."""
    for name in assemble.names():
        file = folder / f"{name}.lua"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(assemble.script(name).text.encode())


def main(arguments: list[str]) -> None:
    """Print the document, write it in its place (``--write``), or export (``--scripts FOLDER``)."""
    match arguments:
        case ["--scripts", folder] if folder:
            export(Path(folder))
        case [] | ["--write"]:
            file = package.path("lua").parent / "docs" / "protocol.md"
            written = document(file.read_text(encoding="utf-8"))
            if arguments:
                file.write_text(written, encoding="utf-8")
            else:
                sys.stdout.write(written)
        case _:
            sys.exit("usage: bin/protocol [--write | --scripts FOLDER]")


def _comment(source: str) -> list[str]:
    lines: list[str] = []
    for line in source.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return lines


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text.rstrip(".")) if word not in {"", "none"})


def _entry(header: Header) -> str:
    lines = [f"### `{header.signature}`", "", f"{header.guarantee}", ""]
    lines.append(f"- reply: `{header.reply}`")
    if header.errors:
        lines.append(f"- errors: {', '.join(f'`{code}`' for code in header.errors)}")
    if header.events:
        lines.append(f"- events: {', '.join(f'`{event}`' for event in header.events)}")
    lines.append(f"- {_FLAGS.get(header.flags, header.flags)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
