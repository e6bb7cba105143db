"""A real browser that looks at an atlas."""

from __future__ import annotations

from browsers import accessible, browser

__all__ = ["accessible", "browser"]
