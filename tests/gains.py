"""A gain whose numbers are known on paper."""

from __future__ import annotations

from dreamscope.augmentation.gain import BEST, Gain, gathered
from dreamscope.augmentation.trial import Score

REACHED = {"photos": 0.7, "standard": 0.8, "smote": 0.75, "mixup": 0.6, "hallucinated": 0.65, BEST: 0.85}


def gain(better: float = 0.0, uneven: float = 0.0) -> Gain:
    """Four draws with known scores; what has dreams in it is `better` by so much, `uneven` more or less in turns."""
    found = {}
    for count in (3, 10):
        for draw in range(4):
            # Draws differ, and differ alike for all arms.
            lucky = 0.01 * draw
            more = better + uneven * (-1) ** draw
            found[count, draw] = {
                arm: Score(reached + lucky + (more if arm == BEST else 0), reached / 2, 0, 0.01)
                for arm, reached in REACHED.items()
            }
    return Gain(gathered(found, [3, 10]), "act", (20, 30), 40, 1.0, None)
