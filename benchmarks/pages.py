"""Documents of more than one part, of which each is written by a benchmark of its own."""

from __future__ import annotations

import re
from pathlib import Path


def write_part(path: Path, part: str) -> None:
    """Put a part, which begins with its heading, in the place of the one of the same heading."""
    heading = part.partition("\n")[0]
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = [one.strip() for one in re.split(r"(?m)^(?=# )", text) if one.strip()]
    titles = [one.partition("\n")[0] for one in parts]
    if heading in titles:
        parts[titles.index(heading)] = part.strip()
    else:
        parts.append(part.strip())
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
