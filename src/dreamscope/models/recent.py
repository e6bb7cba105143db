"""A small cache of the values used last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")


class Recent:
    """The values used last, by key; safe to share between threads.

    A copied or pickled one is empty.

    Parameters
    ----------
    size
        Number of values kept; of more, the least recently used one is dropped.

    Examples
    --------
    >>> recent = Recent(2)
    >>> recent.get("a", lambda: 1), recent.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, size: int) -> None:
        self._size = size
        # One value is made at a time: two threads that need the same one would each pay for it.
        self._lock = threading.RLock()
        self._values: OrderedDict[Hashable, Any] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._size,))

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of `key`, made now if it is not here."""
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            self._values.move_to_end(key)
            value: Value = self._values[key]
            while len(self._values) > self._size:
                self._values.popitem(last=False)
            return value
