"""The one place for files: written whole or not at all, the cache folder, digests."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    import numpy as np

_TEMPORARY = ".dreamscope-"


def cache_folder() -> Path:
    """Return the folder for things that can be made again: ``$DREAMSCOPE_CACHE`` or the user's cache."""
    named = os.environ.get("DREAMSCOPE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dreamscope"


def existing_file(path: str | Path, what: str) -> Path:
    """Return `path` as a readable file, or raise a `DreamscopeError` that calls it `what`."""
    path = Path(path)
    if not path.exists():
        raise DreamscopeError(f"no such {what}: '{path}'")
    if not path.is_file():
        raise DreamscopeError(f"{what} '{path}' is a folder, not a file")
    if not os.access(path, os.R_OK):
        raise DreamscopeError(f"{what} '{path}' can't be read: permission denied")
    return path


def package_file(package: str, inside: str, *, distribution: str) -> Path:
    """Return a file of an installed package, without importing the package.

    Parameters
    ----------
    package
        Its import name; of a top-level package, since finding any other would import its parent.
    inside
        Where the file lies in it.
    distribution
        What ``pip install`` calls it, for the message.

    Raises
    ------
    DreamscopeError
        If the package is not installed, or not with that file.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise DreamscopeError(f"a file of {distribution} is missing ({inside}); install it: pip install {distribution}")


def ensure_writable(path: str | Path) -> Path:
    """Return `path` if a file can be written there; called before long work, not after it.

    Raises
    ------
    DreamscopeError
        If the folder is missing or not writable, or if `path` is a folder.
    """
    path = Path(path)
    # Asking by doing: permission bits say little for root, network and read-only file systems.
    _new_file(path).unlink()
    return path


def ensure_no_input(target: Path, sources: Iterable[str | Path], *, what: str = "result") -> None:
    """Raise if `target`, which `what` is to be written to, is one of the files that go in."""
    if target.exists() and any(Path(source).exists() and target.samefile(source) for source in sources):
        raise DreamscopeError(f"'{target}' is an input; write the {what} somewhere else")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it becomes `path`, on any error it is removed.

    The temporary name keeps the suffix, since encoders choose the format by it.
    """
    path = Path(path)
    temporary = _new_file(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DreamscopeError(f"can't write '{path}': {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what somebody who was killed had begun to write in a folder, at any depth; nobody else may write there."""
    for path in folder.rglob(f"{_TEMPORARY}*"):
        path.unlink(missing_ok=True)


def _new_file(beside: Path) -> Path:
    """Make an empty file of a new name beside a path, with its suffix; raise if none can be written there."""
    folder = beside.parent
    if not folder.is_dir():
        raise DreamscopeError(f"can't write '{beside}': there is no folder '{folder}'; make it first")
    if beside.is_dir():
        raise DreamscopeError(f"can't write '{beside}': it is a folder; give a file name")
    while True:
        path = beside.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}{beside.suffix}")
        try:
            # Not by tempfile, whose files are private: a result gets the permissions that any new file would get, and
            # asking for the umask would change it, for a moment, for every thread.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        except OSError as error:
            raise DreamscopeError(f"can't write '{beside}': folder '{folder}': {error.strerror}") from error
        return path


def ensure_arrays(path: str | Path) -> Path:
    """Return `path` if arrays can be written there, or raise."""
    if Path(path).suffix.lower() != ".npz":
        raise DreamscopeError(f"can't write '{path}': arrays go into a .npz")
    return ensure_writable(path)


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Path:
    """Write arrays by name as NumPy's ``.npz``, whole or not at all.

    Raises
    ------
    DreamscopeError
        If `path` does not end in ``.npz`` or can't be written.
    """
    import numpy as np

    ensure_arrays(path)
    # NumPy appends .npz to names that lack it, as a temporary one does; to a file it does not.
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)  # type: ignore[arg-type]
    with written_whole(path) as temporary:
        temporary.write_bytes(held.getvalue())
    return Path(path)


def recall(name: str) -> Any:
    """Return what `remember` kept in the cache folder under that name, or ``None``."""
    try:
        return json.loads((cache_folder() / name).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def remember(name: str, value: Any) -> None:
    """Keep a value as JSON in the cache folder; one that can't be written only costs a later call its time."""
    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(value, indent=1), "utf-8")
    except (OSError, DreamscopeError):
        return


def forget(name: str) -> None:
    """Remove what `remember` kept from the cache folder."""
    (cache_folder() / name).unlink(missing_ok=True)


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
