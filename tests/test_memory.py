from __future__ import annotations

import pytest
import torch

from dreamscope import memory


def test_blocks_nest_and_end_whatever_happens() -> None:
    with memory.kept(), memory.kept():
        assert torch.ones(3_000_000).sum() == 3_000_000
    with pytest.raises(KeyboardInterrupt), memory.kept():
        raise KeyboardInterrupt
    assert memory._depth == 0


@pytest.mark.skipif(memory._glibc() is None, reason="another C library")
def test_freed_memory_is_not_asked_for_again() -> None:
    import resource

    def faults(rounds: int = 5) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(rounds):
            torch.ones(20_000_000)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with memory.kept():
        # The heap grows to its size in the first rounds.
        inside = [faults() for _ in range(5)][-1]
    # 80 MB are 19,531 pages of 4 KB; outside they have to be got anew.
    assert inside < 1_000
    assert faults() > 19_000


@pytest.mark.skipif(memory._glibc() is None, reason="another C library")
def test_memory_is_given_back() -> None:
    from pathlib import Path

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = resident()
    with memory.kept():
        torch.ones(100_000_000)
    assert resident() - before < 100_000_000


@pytest.mark.skipif(memory._glibc() is None, reason="another C library")
def test_memory_can_be_given_back_inside_too() -> None:
    from pathlib import Path

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    with memory.kept():
        torch.ones(100_000_000)
        before = resident()
        memory.release()
        assert before - resident() > 300_000_000


def test_another_c_library_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.kept():
        assert memory._depth == 0
