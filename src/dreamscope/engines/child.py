"""A process of this machine at the end of a pipe, which ends with the process, whatever ended it.

Pools of processes share their pipes among workers: a worker that is killed while it sends something leaves half of it
there, and everyone waits for the rest. Here the pipe of a dead process is at its end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO


class Child:
    """A new interpreter, which runs no main module of the caller's, and is not meant when Ctrl-C is pressed.

    Parameters
    ----------
    module
        A module whose ``main`` is given the pipe's descriptor.
    environment
        What it finds in its environment besides what is there.
    said
        A file for what it prints; the caller's output if not given.

    Attributes
    ----------
    pipe : Connection
        To it and from it.
    """

    def __init__(self, module: str, environment: Mapping[str, str], *, said: IO[bytes] | None = None) -> None:
        self.pipe: Connection
        self.pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {module} import main; main({theirs.fileno()})"],
                pass_fds=[theirs.fileno()],
                # What the caller can import, it can.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **environment},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> bool:
        """Return whether it has ended by then."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def end(self, patience: float = 0.0) -> None:
        """End it: by closing the pipe, then by force."""
        self.pipe.close()
        if not self.wait(patience):
            self._process.kill()
            self._process.wait()
