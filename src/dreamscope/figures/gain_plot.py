"""The plot of a gain: what each way to learn from few positives reaches, by their number."""

from __future__ import annotations

from dreamscope.augmentation.arms import ARMS, PEERS
from dreamscope.augmentation.gain import BEST, METRICS, Gain
from dreamscope.figures import style

_WIDTH, _HEIGHT = 7.2, 3.6
_GRAYS = ("--", ":", "-.")


def gain_curves(gain: Gain) -> str:
    """Draw the mean over draws, for each metric, with 95 % intervals of what has dreams in it.

    Returns
    -------
    str
        SVG, without references to anything outside itself.
    """
    counts = [*gain.scores]
    with style.canvas(_WIDTH, _HEIGHT) as figure:
        for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
            for arm in ARMS:
                found = [gain.reached(count, arm, metric) for count in counts]
                color = {BEST: style.FOUND, "hallucinated": style.COMPARED, "photos": style.INK}.get(arm, style.RANDOM)
                dashes = _GRAYS[PEERS.index(arm)] if arm in PEERS else "-"
                axes.plot(counts, [each.value for each in found], dashes, color=color, label=arm, marker=".")
                if arm == BEST:
                    low, high = ([getattr(each, end) for each in found] for end in ("low", "high"))
                    axes.fill_between(counts, low, high, color=color, alpha=0.15, linewidth=0)
            axes.set_xscale("log")
            axes.set_xticks(counts, [str(count) for count in counts])
            axes.minorticks_off()
            axes.set(xlabel="positives", title=metric)
            axes.grid(axis="y")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return style.svg(figure)
