"""A histogram as a drawing inside a page: bars over a scale, with numbers on both axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dreamscope.pages.environment import decimal

if TYPE_CHECKING:
    from markupsafe import Markup

BARS = 32
WIDTH, HEIGHT = 560, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 12, 12, 48


def drawn(edges: Sequence[float], counts: Sequence[float], name: str, *, mean: float | None = None) -> Markup | None:
    """Return a histogram as SVG, ``None`` if nothing was counted.

    Parameters
    ----------
    edges
        Where the bins begin and end, rising. They may be of any widths: what is in one is spread evenly over it, and
        counted again in bars of equal widths.
    counts
        How many are in each bin.
    name
        What is counted over which scale, written under it.
    mean
        Marked if given.
    """
    from markupsafe import Markup, escape

    total = sum(counts)
    full = [place for place, count in enumerate(counts) if count]
    if not full:
        return None
    low, high = edges[full[0]], edges[full[-1] + 1]
    # Nothing but zeros, or nothing below or above zero: the bin of zero reaches a hair over it.
    low, high = (0.0 if -1e-4 < low < 0 else low), (0.0 if 0 < high < 1e-4 else high)
    if high <= low:
        low, high = 0.0, 1.0
    width = (high - low) / BARS
    shares = [0.0] * BARS
    for place in full:
        start, stop = max(edges[place], low), min(edges[place + 1], high)
        if stop <= start:
            start = stop = min(max(start, low), high)
        first = min(BARS - 1, int((start - low) / width))
        last = min(BARS - 1, int((stop - low) / width))
        for bar in range(first, last + 1):
            inside = min(stop, low + (bar + 1) * width) - max(start, low + bar * width)
            part = max(0.0, inside) / (stop - start) if last > first else 1.0
            shares[bar] += counts[place] / total * part
    across, up = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    step = _step(max(shares), 3)
    top = step * math.ceil(max(shares) / step - 1e-9)

    def x(value: float) -> str:
        return f"{_LEFT + across * (value - low) / (high - low):.1f}"

    def y(share: float) -> str:
        return f"{_TOP + up * (1 - share / top):.1f}"

    parts = [f'<svg class="histogram" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{escape(name)}">']
    for mark in range(round(top / step) + 1):
        at = y(mark * step)
        parts.append(f'<path class="rule" d="M{_LEFT} {at}H{WIDTH - _RIGHT}"/>')
        label = decimal(100 * mark * step, 0 if step >= 0.01 else 1)
        parts.append(f'<text x="{_LEFT - 8}" y="{at}" dy=".35em" text-anchor="end">{label}%</text>')
    gap = 1.0
    outline = "".join(
        f"M{_LEFT + across * bar / BARS + gap / 2:.1f} {y(0)}V{y(share)}h{across / BARS - gap:.1f}V{y(0)}z"
        for bar, share in enumerate(shares)
        if share
    )
    parts.append(f'<path class="bar" d="{outline}"/>')
    step = _step(high - low, 6)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    for mark in range(math.ceil(low / step), math.floor(high / step) + 1):
        at = x(mark * step)
        parts.append(f'<text x="{at}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">')
        parts.append(f"{decimal(mark * step, digits)}</text>")
    if low < 0 < high:
        parts.append(f'<path class="zero" d="M{x(0)} {_TOP}V{y(0)}"/>')
    if mean is not None and low <= mean <= high:
        parts.append(f'<path class="mean" d="M{x(mean)} {_TOP}V{y(0)}"/>')
    parts.append(f'<text class="name" x="{_LEFT + across / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(name)}')
    parts.append("</text></svg>")
    return Markup("".join(parts))


def _step(span: float, about: int) -> float:
    """Return 1, 2 or 5 times a power of ten, of which about so many fit into a span."""
    rough = span / about
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
