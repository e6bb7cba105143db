"""Output of the command line: tables, JSON, a progress bar."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dreamscope.cli.exits import INTERRUPTED
from dreamscope.errors import DivergedError, DreamscopeError, Interrupted
from dreamscope.progress import Callback, Lines, reported

if TYPE_CHECKING:
    from torch import Tensor

    from dreamscope.models.classifier import Classifier
    from dreamscope.optimize.ascent import StepCallback


def as_json(value: Any) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=2))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, numbers to the right, one row a line whatever the terminal's width."""
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    for line in [list(columns), *texts]:
        padded = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numeric, strict=True)
        ]
        print("  ".join(padded).rstrip())


def stem_of(source: str) -> str:
    """Return the name of a picture without folder and suffix, or of a colour without ``#``."""
    return Path(source.removeprefix("sample:").removeprefix("#")).stem


def free_name(stem: str, suffix: str) -> Path:
    """Return STEM.png in this folder, or STEM-2.png and so on: nothing is overwritten unasked."""
    candidates = (Path(f"{stem}{'' if n == 1 else f'-{n}'}{suffix}") for n in count(1))
    return next(path for path in candidates if not path.exists())


def input_picture(source: str, target: Path) -> Tensor:
    """Read an input picture before any long work, and raise if the result would replace it."""
    from dreamscope import files, images

    files.ensure_no_input(target, [source])
    return images.read(source)


def taken_for(model: Classifier, classes: Sequence[int], before: Tensor, after: Tensor) -> dict[str, Any]:
    """Return what a network takes two pictures (1, 3, H, W) for, as JSON, and how far for the classes that were wanted.

    Confidences are probabilities, 0 to 1.
    """
    pair = [model.classify(image, top=sys.maxsize)[0] for image in (before, after)]
    shares = [{each.index: each.probability for each in found} for found in pair]
    first = [{"label": found[0].label, "confidence": found[0].probability} for found in pair]
    wanted = [{"label": model.label(index), "before": shares[0][index], "after": shares[1][index]} for index in classes]
    return {"before": first[0], "after": first[1], "wanted": wanted}


def before_and_after(facts: Mapping[str, Any]) -> str:
    """Return what `taken_for` found as a line for people."""
    was, now = (f"{facts[when]['label']} ({facts[when]['confidence']:.1%})" for when in ("before", "after"))
    shares = [f"{each['label']} {each['before']:.1%} -> {each['after']:.1%}" for each in facts["wanted"]]
    return f"taken for {now}, before for {was}; {', '.join(shares)}"


def note(text: str) -> None:
    """Print a remark on stderr, beside the result."""
    waiting.ends()
    print(text, file=sys.stderr)


class _Waiting:
    """One line on a terminal that says what is waited for, and that makes room for whatever is printed next."""

    _ERASE = "\r\x1b[K"

    def __init__(self) -> None:
        self._shown = False

    def begins(self, text: str) -> None:
        """Show `text`: called before anything slow is imported. A pipe gets nothing."""
        if sys.stderr.isatty():
            self._shown = True
            print(f"{self._ERASE}{text} ...", end="", file=sys.stderr, flush=True)

    def ends(self) -> None:
        """Take away what is shown, if there is anything."""
        if self._shown:
            self._shown = False
            print(self._ERASE, end="", file=sys.stderr, flush=True)


waiting = _Waiting()
"""The terminal's; there is one."""


class _Remarks(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._printed:
            self._printed.add(text)
            note(text)


@contextmanager
def remarks() -> Iterator[None]:
    """Print what the library logs in the block on stderr, each remark once: which layer is meant by a known name."""
    handler = _Remarks()
    logger = logging.getLogger("dreamscope")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def unreadable(photos: Mapping[str, str]) -> None:
    """Report the photos that were skipped, if any, and why."""
    if photos:
        note(f"{len(photos)} photos could not be read and were skipped:")
        for name, reason in photos.items():
            note(f"  {name}: {reason}")


@contextmanager
def keeping(save: Callable[[Any], Path | None]) -> Iterator[None]:
    """Save what an ascent reached that diverged or was interrupted, report where, and end the command.

    `save` takes the technique's result so far and returns the file or folder, or ``None`` where it kept nothing.
    """

    def saved(result: Any, what: str) -> str:
        path = save(result)
        return "nothing was written" if path is None else f"kept the last {what} picture{'s' * path.is_dir()}: {path}"

    try:
        yield
    except DivergedError as error:
        raise DreamscopeError(f"{error}; {saved(error.result, 'finite')}") from error
    except Interrupted as stop:
        note(f"dreamscope: {stop}; {saved(stop.result, 'good')}")
        raise typer.Exit(INTERRUPTED) from stop


@contextmanager
def progress(what: str) -> Iterator[StepCallback | None]:
    """Draw a bar of an ascent's steps on stderr, or write lines, see `stages`."""
    with stages() as callback:
        yield callback and (lambda step: callback(what, step.number, step.total))


def stages() -> AbstractContextManager[Callback | None]:
    """Show on stderr what is being done and how much time is left.

    A bar if that is a terminal; else, for pipes and log files, a line every 10 s, so that a quick job writes nothing.
    """
    waiting.ends()
    if sys.stderr.isatty():
        return reported(progress=True)
    return reported(Lines(lambda line: print(line, file=sys.stderr, flush=True)))
