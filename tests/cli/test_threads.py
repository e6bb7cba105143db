from __future__ import annotations

import os

import pytest

from dreamscope.cli.threads import wait_briefly


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        # So that what is set is taken back in the end.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.parametrize(("load", "spins"), [(0.9, 20_000), (1.1, 1_000)])
def test_beside_other_jobs_threads_hardly_turn(monkeypatch: pytest.MonkeyPatch, load: float, spins: int) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == str(spins)


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_what_the_user_sets_is_left(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "ACTIVE")
    before = dict(os.environ)
    wait_briefly()
    assert dict(os.environ) == before
