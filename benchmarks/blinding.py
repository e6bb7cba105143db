"""What is lost of a class, by each kind of edit: ``python -m benchmarks.blinding TARGETS --controls PHOTOS ...``.

The table of RESULTS: one row for each edit, beside the intact network, the class's output deleted, random sets and the
`frequency` rule; and with ``--frontier``, what erasing at all blocks from a layer on costs, the less may stay readable.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from dreamscope.cli.allocator import keep_freed_memory
from dreamscope.dissection import erasure
from dreamscope.dissection.blind import blind
from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.finder import UNITS
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.trials import Trial
from dreamscope.figures import style
from dreamscope.models.classifier import Classifier
from dreamscope.models.registry import load


class Stages:
    """A callback that adds up the seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._since = "", time.perf_counter()

    def __call__(self, stage: str, _done: int, _total: int) -> None:
        """Count the time since the last call to the stage that was under way."""
        now = time.perf_counter()
        # Folds are one stage.
        name = stage.partition(" (")[0]
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._stage, self._since = name, now


def row(name: str, trial: Trial, layers: Sequence[str]) -> str:
    """Return one line of the table."""
    cells = [name, str(trial.count or ""), _percent(trial.recall), _percent(trial.robust), _points(trial.loss)]
    for layer in layers:
        found = trial.readouts.get(layer)
        cells.append("" if found is None else f"{found.auc:.3f} / {100 * found.recall().value:.0f}")
    return "| " + " | ".join(cells) + " |"


def table(found: dict[str, Blinding]) -> list[str]:
    """Return the table: what all are compared with once, then each edit."""
    first = next(iter(found.values()))
    readable = list(first.chosen.readouts)
    layers = [readable[-1], *readable[-3:-1]]
    head = ["edit", "number", "recall", "changed photos", "points lost", *(f"probe at {name}" for name in layers)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for trial in first.trials[:-1]:
        lines.append(row(trial.name, trial, layers))
    for name, blinding in found.items():
        lines.append(row(f"**{name}**", blinding.chosen, layers))
    return lines


def frontier(model: Classifier, targets: list[str], controls: list[str], measure: list[str], depth: str) -> list[str]:
    """Erase from a layer on, with more and less left to read; draw what it costs against what can be read."""
    points = []
    for left in (3.0, 2.0, 1.5, 1.0, 0.7, 0.5):
        erasure.LEFT = left
        found = blind(model, targets, controls, measure=measure or None, depth=depth, draws=1, recipe=False)
        worst = max(found.chosen.readouts[name].recall().value for name in found.design.read_at)
        points.append((left, found.result.loss, worst, found.chosen.readouts[found.design.read_at[-1]].recall().value))
        print(f"left {left}: {points[-1]}", flush=True)
    with style.canvas(6.4, 4.2) as figure:
        axes = figure.subplots()
        x = [100 * worst for _, _, worst, _ in points]
        losses = [loss for _, loss, _, _ in points]
        y = [loss.value for loss in losses]
        around = [[loss.value - loss.low for loss in losses], [loss.high - loss.value for loss in losses]]
        axes.errorbar(x, y, around, marker="o", color=style.FOUND, capsize=3)
        for place, (left, *_) in enumerate(points):
            axes.annotate(f"{left:g}", (x[place], y[place]), xytext=(5, 5), textcoords="offset points")
        axes.axhline(1, color=style.INK, linewidth=0.8, linestyle=":")
        axes.axvline(10, color=style.INK, linewidth=0.8, linestyle=":")
        axes.set(
            xlabel=f"found by a fresh probe at 1 % false alarms, at the block\nfrom {depth} on where it is most (%)",
            ylabel="top-1 lost on everything else (points)",
        )
        style.save(figure, Path("frontier.png"), dpi=150)
    return [f"| {left:g} | {_points(loss)} | {100 * w:.0f} | {100 * f:.0f} |" for left, loss, w, f in points]


def _percent(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{100 * estimate.value:.1f}"


def _points(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def main() -> None:
    """Read the command line and print the table and the seconds of each stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--controls", action="append", required=True)
    parser.add_argument("--measure", action="append")
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--weights")
    parser.add_argument("--units", action="append", choices=UNITS)
    parser.add_argument("--aim", default="readout")
    parser.add_argument("--depth", action="append", help="directions from this layer on, as a row of their own")
    parser.add_argument("--frontier", metavar="LAYER")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    keep_freed_memory()
    model = load(given.model, **({"weights": given.weights} if given.weights else {}))
    if given.frontier:
        print("\n".join(frontier(model, given.targets, given.controls, given.measure or [], given.frontier)))
        return
    wanted = [(units, units, None) for units in given.units or UNITS]
    wanted += [(f"directions from {depth} on", "directions", depth) for depth in given.depth or ()]
    found = {}
    for name, units, depth in wanted:
        stages, began = Stages(), time.perf_counter()
        found[name] = blind(
            model,
            given.targets,
            given.controls,
            measure=given.measure,
            units=units,
            # Channels that nothing can be read from any more are most of the network.
            aim="answer" if units == "channels" else given.aim,
            depth=depth,
            draws=given.draws,
            seed=given.seed,
            callback=stages,
            recipe=False,
        )
        spent = ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in stages.seconds.items() if seconds >= 1)
        print(f"{name}: {time.perf_counter() - began:.0f} s ({spent})", flush=True)
        print(found[name].verdict(), flush=True)
        print(row(name, found[name].chosen, list(found[name].chosen.readouts)), flush=True)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
