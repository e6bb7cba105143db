"""What every engine does, whichever it is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dreamscope.engines.base import ATTEMPTS, Engine, Failure, Here
from dreamscope.engines.local import Local
from dreamscope.engines.ray import Ray
from dreamscope.errors import DreamscopeError


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> Callable[[int], Engine]:
    """Engines with so many workers."""
    if request.param == "local":
        return Local
    address = request.getfixturevalue("head").address
    return lambda workers: Ray(address, workers)


def squares() -> Callable[[int], int]:
    def square(number: int) -> int:
        if number < 0:
            raise DreamscopeError(f"{number} is below 0")
        return number * number

    return square


def every_item_once(engine: Engine) -> None:
    with engine:
        assert sorted(engine.run(squares, range(20))) == [(number, number * number) for number in range(20)]
        assert list(engine.run(squares, [])) == []
        assert list(engine.run(squares, [-1])) == [(-1, Failure("-1 is below 0"))]


def test_every_item_once(engine: Callable[[int], Engine]) -> None:
    every_item_once(engine(1))
    every_item_once(engine(2))


def test_every_item_once_here() -> None:
    every_item_once(Here())


def test_items_are_drawn_as_they_are_needed(engine: Callable[[int], Engine]) -> None:
    drawn = []

    def endless() -> Iterator[int]:
        for number in range(10**9):
            drawn.append(number)
            yield number

    done = engine(2).run(squares, endless())
    for _ in range(5):
        next(done)
    done.close()  # type: ignore[attr-defined]
    assert len(drawn) <= 5 + 2 * 2


def test_work_begins_once_in_each_process(engine: Callable[[int], Engine]) -> None:
    def counting() -> Callable[[int], tuple[int, int]]:
        begun = []
        begun.append(os.getpid())

        def told(_: int) -> tuple[int, int]:
            time.sleep(0.02)
            return len(begun), os.getpid()

        return told

    with engine(2) as both:
        told = {made for _, made in both.run(counting, range(200))}
        assert {count for count, _ in told} == {1}
        assert len({pid for _, pid in told} - {os.getpid()}) == 2
        # The same work again: by the same processes.
        assert {made for _, made in both.run(counting, range(12))} <= told
        assert [made for _, made in both.run(squares, [3])] == [9]


def test_a_worker_has_one_thread(engine: Callable[[int], Engine]) -> None:
    def threads() -> Callable[[int], tuple[int, str]]:
        import torch

        return lambda _: (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"])

    with engine(1) as one:
        assert list(one.run(threads, [0])) == [(0, (1, "1"))]


def test_a_killed_process_costs_no_item(engine: Callable[[int], Engine], tmp_path: Path) -> None:
    def fragile() -> Callable[[int], int]:
        def once(number: int) -> int:
            mark = tmp_path / str(number)
            if number % 3 == 0 and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return number

        return once

    with engine(2) as both:
        assert sorted(both.run(fragile, range(12))) == [(number, number) for number in range(12)]


def test_an_item_that_kills_every_process(engine: Callable[[int], Engine]) -> None:
    def deadly() -> Callable[[int], int]:
        def dies(number: int) -> int:
            if number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return number

        return dies

    with engine(1) as one:
        found = dict(one.run(deadly, range(5)))
        message = found.pop(2).message
        assert f"{ATTEMPTS} " in message
        assert "died over it; is there memory enough?" in message
        assert found == {number: number for number in (0, 1, 3, 4)}
        with pytest.raises(DreamscopeError, match="nothing can be done"):
            list(one.run(deadly, [2]))


def test_errors_reach_the_caller(engine: Callable[[int], Engine]) -> None:
    def refuses() -> Callable[[int], int]:
        raise DreamscopeError("no such network")

    def wrong() -> Callable[[int], int]:
        return lambda number: 1 // number

    with pytest.raises(DreamscopeError, match="no such network"):
        list(engine(1).run(refuses, range(3)))
    with pytest.raises(ZeroDivisionError):
        list(engine(1).run(wrong, range(3)))
    with pytest.raises(DreamscopeError, match="1 or more, not 0"):
        engine(0)


def test_an_error_of_the_items_is_the_callers(engine: Callable[[int], Engine]) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(engine(1).run(squares, broken()))


def test_closed_early_no_process_is_left(engine: Callable[[int], Engine]) -> None:
    def sleepy() -> Callable[[int], int]:
        def slow(number: int) -> int:
            time.sleep(0 if number == 0 else 60)
            return os.getpid()

        return slow

    running = engine(2).run(sleepy, range(10))
    _, pid = next(running)
    started = time.monotonic()
    running.close()  # type: ignore[attr-defined]
    while alive(pid):
        assert time.monotonic() - started < 20
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
