from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dreamscope.engines.local import Local


def test_killed_while_it_sends(tmp_path: Path) -> None:
    def large() -> Callable[[int], bytes]:
        def dying(number: int) -> bytes:
            mark = tmp_path / str(number)
            if not mark.exists():
                mark.touch()
                # Now or a little later: half of it is in the pipe then.
                threading.Timer(number / 500, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return bytes(20_000_000)

        return dying

    with Local(2) as engine:
        found = {number: len(made) for number, made in engine.run(large, range(10))}
    assert found == dict.fromkeys(range(10), 20_000_000)


def test_a_killed_caller_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "from dreamscope.engines.local import Local\n"
        "def told(seconds):\n"
        "    time.sleep(seconds)\n"
        "    return os.getpid()\n"
        "for _, pid in Local(1).run(lambda: told, [0, 60]):\n"
        "    print(pid, flush=True)\n"
    )
    running = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    pid = int(running.stdout.readline())
    running.kill()
    running.communicate()
    until = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
