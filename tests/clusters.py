"""Ray clusters for tests: a head that listens to this machine only, and can be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

# As `dreamscope.engines.ray` has it for a cluster of its own.
SETTINGS = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32}
HOST = "127.0.0.1"


class Head:
    """A cluster of one machine; its processes are in a session of their own."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.workers = folder, workers
        with socket.create_server((HOST, 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"{HOST}:{self.port}"
        self.start()

    def start(self) -> None:
        place = f"--port={self.port} --node-ip-address={HOST} --num-cpus={self.workers} --temp-dir={self.folder}"
        options = f"--head --block {place} --include-dashboard=false --disable-usage-stats"
        start = "import sys; from ray.scripts.scripts import main; sys.argv[0] = 'ray'; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, "start", *options.split()],
            # What a test can import, workers can.
            env={**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            assert self.process.poll() is None, "Ray's head ended"
            try:
                socket.create_connection((HOST, self.port)).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("Ray's head did not begin")

    def kill(self) -> None:
        """End all of it without warning."""
        found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        for line in found.splitlines():
            if str(self.folder) in line:
                with suppress(ProcessLookupError):
                    os.kill(int(line.split()[0]), signal.SIGKILL)
        self.process.kill()
        self.process.wait()
