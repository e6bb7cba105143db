from __future__ import annotations

import copy
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from dreamscope.models.recent import Recent


def test_the_one_not_asked_for_longest_is_dropped() -> None:
    recent = Recent(2)
    made = []

    def get(key: str) -> str:
        return recent.get(key, lambda: made.append(key) or key)

    assert [get(key) for key in "abacab"] == list("abacab")
    assert made == list("abcb")
    assert copy.deepcopy(recent).get("a", lambda: 7) == 7


def test_two_threads_make_one_value() -> None:
    recent, made, together = Recent(2), [], threading.Barrier(2)

    def make() -> int:
        time.sleep(0.02)
        made.append(1)
        return len(made)

    def get(_: int) -> int:
        together.wait()
        return recent.get("a", make)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(get, range(2))) == [1, 1]
