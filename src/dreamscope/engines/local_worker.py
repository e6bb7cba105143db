"""A process of the local engine: it is given the work, then items, and sends back what it makes of each."""

from __future__ import annotations

import os
import pickle
import threading
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue

import cloudpickle

from dreamscope.engines.base import attempted


def main(descriptor: int) -> None:
    """Work until the pipe ends."""
    pipe = Connection(descriptor)
    given: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, given), daemon=True).start()
    packed, make = given.get(), None
    while True:
        item = given.get()
        try:
            make = make or cloudpickle.loads(packed)()
            told = pickle.dumps((True, attempted(make, pickle.loads(item))))
        except Exception as error:
            error.add_note(f"In a worker:\n{traceback.format_exc()}")
            told = cloudpickle.dumps((False, error))
        pipe.send_bytes(told)


def _receive(pipe: Connection, given: SimpleQueue[bytes]) -> None:
    # Beside the work: who sends an item need not wait until the one before is done.
    try:
        while True:
            given.put(pipe.recv_bytes())
    except (EOFError, OSError):
        # Nobody wants what it would still make.
        os._exit(0)
