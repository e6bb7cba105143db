"""From the return key on: whole commands, beside importing torch alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clock import Times

ROUNDS = 7
HELP = {
    "--help": ("--help",),
    "layers --help": ("layers", "--help"),
    "completion": (),
}


def measure() -> dict[str, Times]:
    """Return the seconds of each command, and of ``import torch``, round by round; the first round doesn't count."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS + 1):
            found = {"import torch": _seconds([sys.executable, "-c", "import torch"], folder)[0]}
            for name, words in HELP.items():
                completing = {"_DREAMSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "dreamscope ex", "COMP_CWORD": "1"}
                found[name] = _seconds([_program(), *words], folder, {} if words else completing)[0]
            found["classify"] = _seconds([_program(), "classify", "sample:china"], folder)[0]
            dream = [_program(), "dream", "sample:china", "--size", "512", "-o", "out.png"]
            found["dream"], printed = _seconds(dream, folder)
            # What the command itself says the dream took.
            found["the dream itself"] = float(re.findall(r"([\d.]+) s$", printed.strip())[0])
            if number:
                for name, seconds in found.items():
                    times.setdefault(name, []).append(seconds)
    return {name: Times(tuple(each)) for name, each in times.items()}


def _program() -> str:
    return str(Path(sys.executable).with_name("dreamscope"))


def _seconds(words: list[str], folder: str, more: dict[str, str] | None = None) -> tuple[float, str]:
    started = time.perf_counter()
    ran = subprocess.run(
        words, check=True, cwd=folder, env={**os.environ, **(more or {})}, capture_output=True, text=True
    )
    return time.perf_counter() - started, ran.stdout
