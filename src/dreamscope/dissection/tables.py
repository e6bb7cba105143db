"""Tables: as HTML, for results that show themselves in a notebook, and of photos as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dreamscope import files
from dreamscope.errors import DreamscopeError

FORMATS = (".csv", ".json")
"""What a table of photos is written as."""


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a paragraph and a table; every text in them is escaped."""

    def line(kind: str, cells: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(str(cell))}</{kind}>" for cell in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<p>{escape(title)}</p><table><thead>{line('th', columns)}</thead><tbody>{body}</tbody></table>"


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]], whole: Callable[[], Any]) -> Path:
    """Write rows (of the same keys, one or more) as ``.csv``, or what `whole` returns as ``.json``.

    Raises
    ------
    DreamscopeError
        If `path` has another suffix or can't be written.
    """
    path = ensure_table(path)
    with files.written_whole(path) as temporary:
        if path.suffix.lower() == ".json":
            temporary.write_text(json.dumps(whole(), indent=1) + "\n", "utf-8")
        else:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                table.writeheader()
                table.writerows(rows)
    return path


def ensure_table(path: str | Path) -> Path:
    """Return `path` if a table of photos can be written there, or raise."""
    if Path(path).suffix.lower() not in FORMATS:
        raise DreamscopeError(f"can't write '{path}': a table of photos ends in {' or '.join(FORMATS)}")
    return files.ensure_writable(path)
