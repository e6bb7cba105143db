"""Tiny archives of photos."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image


def picture(shade: int = 0, *, suffix: str = "png") -> bytes:
    """Return a picture whose first colour is `shade`."""
    held = io.BytesIO()
    Image.new("RGB", (8, 8), (shade % 256, shade // 256, 0)).save(held, suffix)
    return held.getvalue()


def tar_of(
    path: Path, members: Mapping[str, bytes] | Sequence[tuple[str, bytes]], form: int = tarfile.USTAR_FORMAT
) -> Path:
    """Write a tar."""
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members.items() if isinstance(members, Mapping) else members:
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return path


def parquet_of(path: Path, columns: Mapping[str, object], *, rows: int = 3) -> Path:
    """Write a table, so many rows in a group."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, row_group_size=rows)
    return path


def imaged(contents: Sequence[bytes | None]) -> list[dict[str, object]]:
    """Return a column of images as Hugging Face writes it."""
    return [{"bytes": content, "path": f"{number}.png"} for number, content in enumerate(contents)]
