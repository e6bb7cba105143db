"""What only a cluster can do: be missing, be lost, come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clusters import SETTINGS, Head

from dreamscope.engines import ray as module
from dreamscope.engines.base import Work
from dreamscope.engines.ray import Ray
from dreamscope.errors import DreamscopeError

LEFT = "dreamscope-ray-*"


def waiting() -> Work:
    # By value: workers can't import what a test imports.
    def slow() -> Callable[[int], int]:
        def kept(number: int) -> int:
            time.sleep(0.1)
            return number

        return kept

    return slow


slow = waiting()


@pytest.fixture(autouse=True)
def ray_is_there() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dreamscope[cluster]'")


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    """A cluster that a test may kill."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        head = Head(Path(folder), 1)
        yield head
        head.kill()


def test_a_cluster_of_its_own_that_leaves_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    before = (dict(os.environ), signal.getsignal(signal.SIGTERM))
    with Ray(workers=1) as engine:
        running = engine.run(slow, range(3))
        next(running)
        # Other tests may have clusters of their own just now.
        assert engine._driver is not None
        folder = Path(engine._driver._folder)
        assert folder in set(Path("/tmp").glob(LEFT))
        # Nobody else can reach it: all of its doors are this machine's.
        doors = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=False).stdout
        open_ones = [line.split()[3] for line in doors.splitlines() if "raylet" in line or "gcs_server" in line]
        assert all(door.startswith(("127.0.0.1:", "[::ffff:127.0.0.1]:")) for door in open_ones)
        assert sorted(running) == [(1, 1), (2, 2)]
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(folder) not in found
    assert (dict(os.environ), signal.getsignal(signal.SIGTERM)) == before
    assert not folder.exists()
    assert capfd.readouterr() == ("", "")


def test_a_head_that_comes_back(mortal: Head) -> None:
    with Ray(mortal.address, 1) as engine:
        made = []
        for item, _ in engine.run(slow, range(30)):
            made.append(item)
            if len(made) == 5:
                mortal.kill()
                # It is missed before it is back.
                later = threading.Timer(3, mortal.start)
                later.start()
        later.join()
    assert sorted(made) == list(range(30))


def test_a_head_that_stays_away(mortal: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETURNS", 2)
    # Ray itself hopes for a minute.
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    with Ray(mortal.address, 1) as engine:
        running = engine.run(slow, range(10**6))
        next(running)
        mortal.kill()
        with pytest.raises(DreamscopeError, match="was not back within 2 s; what is made is kept"):
            list(running)


def test_no_head_at_all() -> None:
    with pytest.raises(DreamscopeError, match=r"can't be reached at '127\.0\.0\.1:9': nobody answers"):
        list(Ray("127.0.0.1:9").run(slow, [1]))


def test_ctrl_c_ends_its_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from dreamscope.engines.ray import Ray\n"
        "with Ray(workers=1) as engine:\n"
        "    for number, made in engine.run(lambda: lambda number: time.sleep(60 * (number > 0)), range(9)):\n"
        "        print(engine._driver._folder, flush=True)\n"
    )
    running = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    folder = running.stdout.readline().strip()
    assert Path(folder).is_dir()
    # As a terminal does it: to the whole group.
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert not Path(folder).exists()
    assert folder not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_a_killed_caller_leaves_no_cluster(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from dreamscope.engines.ray import Ray\n"
        "for number, made in (engine := Ray(workers=1)).run(lambda: time.sleep, [0, 60]):\n"
        "    print(engine._driver._folder, flush=True)\n"
    )
    running = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    folder = Path(running.stdout.readline().strip())
    assert folder.is_dir()
    running.kill()
    running.wait()
    running.stdout.close()
    until = time.monotonic() + 60
    while folder.exists():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ({"workers": 0}, {"gpus": -1}, {"cpus": -0.5}):
        with pytest.raises(DreamscopeError, match="or more"):
            Ray(**given)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(DreamscopeError, match=r"pip install 'dreamscope\[cluster\]'"):
        Ray()
