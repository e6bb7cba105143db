"""The page of a gain: tables and curves of what hallucinated positives are worth."""

from __future__ import annotations

from pathlib import Path

from dreamscope.augmentation.gain import METRICS, Gain
from dreamscope.figures.gain_plot import gain_curves
from dreamscope.pages import environment


def write(gain: Gain, path: str | Path) -> Path:
    """Write a gain as one ``.html`` that fetches nothing.

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html`` or can't be written.
    """
    environment.ensure_page(path)
    text = environment.render(
        "gain",
        title="What hallucinated positives are worth",
        about=gain.about,
        curves=environment.plot(gain_curves(gain)),
        columns=gain.columns,
        tables=[(metric, gain.rows(metric)) for metric in METRICS],
        verdict=verdict(gain),
        recipe_json=gain.recipe.to_json(indent=2) if gain.recipe else "",
    )
    return environment.write(text, path)


def verdict(gain: Gain) -> str:
    """Return in a sentence where dreams helped, where they harmed, and where no difference was seen."""
    better, worse = [], []
    for count in gain.scores:
        found = gain.difference(count)
        if found.low > 0:
            better.append(str(count))
        elif found.high < 0:
            worse.append(str(count))
    if not better and not worse:
        return "No gain was seen: all intervals of the difference in AUC hold 0."
    said = [f"better than the best without dreams with {', '.join(better)} positives"] if better else []
    said += [f"worse with {', '.join(worse)}"] if worse else []
    return f"With dreams: {'; '.join(said)}."
