"""The microscope: an atlas of a classifier - every channel, layer and class, with what is known of it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    # `dreamscope.microscope` is the function; once this package has been imported, Python has put the package there.
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from dreamscope.microscope.build import microscope

        return microscope(*arguments, **options)


sys.modules[__name__].__class__ = _Room
