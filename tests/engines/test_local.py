from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from dreamscope.engines.base import ATTEMPTS, Engine, Failure, Here
from dreamscope.engines.local import Local
from dreamscope.errors import DreamscopeError


def squares() -> Callable[[int], int]:
    def square(number: int) -> int:
        if number < 0:
            raise DreamscopeError(f"{number} is below 0")
        return number * number

    return square


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("make", [Here, partial(Local, 1), partial(Local, 3)], ids=["here", "one", "three"])
def test_every_item_once(make: Callable[[], Engine]) -> None:
    with make() as engine:
        assert sorted(engine.run(squares, range(20))) == [(number, number * number) for number in range(20)]
        assert list(engine.run(squares, [])) == []
        assert list(engine.run(squares, [-1])) == [(-1, Failure("-1 is below 0"))]


def test_items_are_drawn_as_they_are_needed() -> None:
    drawn = []

    def endless() -> Iterator[int]:
        for number in range(10**9):
            drawn.append(number)
            yield number

    with Local(2) as engine:
        done = engine.run(squares, endless())
        for _ in range(5):
            next(done)
        done.close()  # type: ignore[attr-defined]
    assert len(drawn) <= 5 + 2 * 2


def test_work_begins_once_in_each_process() -> None:
    def counting() -> Callable[[int], tuple[int, int]]:
        begun = []
        begun.append(os.getpid())

        def told(_: int) -> tuple[int, int]:
            time.sleep(0.02)
            return len(begun), os.getpid()

        return told

    with Local(2) as engine:
        told = {made for _, made in engine.run(counting, range(12))}
        assert {count for count, _ in told} == {1}
        assert len({pid for _, pid in told} - {os.getpid()}) == 2
        # They stay for the next run of the same.
        assert {made for _, made in engine.run(counting, range(12))} <= told


def test_a_killed_process_costs_no_item(tmp_path: Path) -> None:
    def fragile() -> Callable[[int], int]:
        def once(number: int) -> int:
            mark = tmp_path / str(number)
            if number % 3 == 0 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return number

        return once

    with Local(2) as engine:
        assert sorted(engine.run(fragile, range(12))) == [(number, number) for number in range(12)]


def test_an_item_that_kills_every_process() -> None:
    def deadly() -> Callable[[int], int]:
        def dies(number: int) -> int:
            if number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return number

        return dies

    with Local(1) as engine:
        found = dict(engine.run(deadly, range(5)))
    assert found.pop(2) == Failure(f"{ATTEMPTS} processes died over it; is there memory enough?")
    assert found == {number: number for number in (0, 1, 3, 4)}
    with pytest.raises(DreamscopeError, match="nothing can be done here"), Local(1) as engine:
        list(engine.run(deadly, [2]))


def test_errors_reach_the_caller() -> None:
    def refuses() -> Callable[[int], int]:
        raise DreamscopeError("no such network")

    def wrong() -> Callable[[int], int]:
        return lambda number: 1 // number

    with pytest.raises(DreamscopeError, match="no such network"), Local(1) as engine:
        list(engine.run(refuses, range(3)))
    with pytest.raises(ZeroDivisionError), Local(1) as engine:
        list(engine.run(wrong, range(3)))
    with pytest.raises(DreamscopeError, match="1 or more, not 0"):
        Local(0)


def test_closed_early_no_process_is_left() -> None:
    def sleepy() -> Callable[[int], int]:
        def slow(number: int) -> int:
            time.sleep(0 if number == 0 else 60)
            return os.getpid()

        return slow

    with Local(2) as engine:
        running = engine.run(sleepy, range(10))
        _, pid = next(running)
        started = time.monotonic()
        running.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
