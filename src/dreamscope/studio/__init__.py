"""The studio: all of dreamscope in a browser, live. It computes through the techniques' public functions alone."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    # `dreamscope.studio` is the function; once this package has been imported, Python has put the package there.
    def __call__(self, *arguments: Any, **options: Any) -> None:
        from dreamscope.studio.server import studio

        studio(*arguments, **options)


sys.modules[__name__].__class__ = _Room
