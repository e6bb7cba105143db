"""Fool: how little must change for the classifier to see something else?

Everything happens on the 256 levels of an 8-bit picture, so that what fools is what can be saved.
Methods after Szegedy et al. (2013, ``ascent``), Goodfellow et al. (2014, ``fgsm``), Madry et al. (2017, ``pgd``), and,
for the least change, Moosavi-Dezfooli et al. (2015, DeepFool) and Rony et al. (2018, DDN): ``minimal``.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import __version__, images
from dreamscope.adversarial.quantized_steps import LEVELS, Changed, Nearest, Seeking, Signed, Steepest
from dreamscope.errors import DreamscopeError, ensure_one_of
from dreamscope.models import labels
from dreamscope.models.classifier import Classifier, Prediction
from dreamscope.objectives import ClassifiedAs, Misclassified
from dreamscope.optimize.ascent import Ascent, Step, StepCallback
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.transforms import Own
from dreamscope.probes import LOGITS, probe
from dreamscope.recipes import Recipe, reference

METHODS = ("minimal", "pgd", "fgsm", "ascent")
NORMS = ("l2", "linf")

STEPS = {"minimal": 200, "pgd": 40, "fgsm": 1, "ascent": 200}
BUDGETS = {"linf": 8 / 255, "l2": 3.0}
"""Of ``pgd`` and ``fgsm``, if none is given; the other methods look for the least by themselves."""

ASCENT_RATE = 0.5
"""Levels that a colour changes on average in a step of ``ascent``."""

_LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 255)
"""Budgets in levels that ``minimal`` in linf tries one after the other."""


@dataclass(frozen=True)
class Fooling:
    """A picture changed until it was taken for something else - or not.

    Attributes
    ----------
    image : Tensor
        (1, 3, H, W) in [0, 1], on the levels of 8 bits; the nearest attempt where it did not succeed.
    original : Tensor
        What it was before, (1, 3, H, W), on the same levels.
    wanted : int or None
        The class it was to be taken for; ``None`` for any other.
    before, after : tuple of Prediction
        The likeliest classes, the first first.
    wanted_before, wanted_after : float
        The probability of the wanted class; of anything but the first answer where any other would do.
    success : bool
        It is taken for the wanted class, with the confidence asked for, within the budget.
    steps : int
        Steps made.
    seconds : float
        How long it took.
    recipe : Recipe
        Enough to make it again.
    """

    image: Tensor
    original: Tensor
    wanted: int | None
    before: tuple[Prediction, ...]
    after: tuple[Prediction, ...]
    wanted_before: float
    wanted_after: float
    success: bool
    steps: int
    seconds: float
    recipe: Recipe

    @property
    def l2(self) -> float:
        """The length of the change, colours in [0, 1]."""
        return float((self.image - self.original).norm())

    @property
    def linf(self) -> float:
        """The largest change of a colour, in [0, 1]."""
        return float((self.image - self.original).abs().max())

    def difference(self) -> Tensor:
        """Return the change around middle gray, amplified to the full range, (1, 3, H, W)."""
        change = self.image - self.original
        return (0.5 + 0.5 * change / change.abs().max().clamp_min(1e-30)).clamp(0, 1)

    def save(self, path: str | Path) -> Path:
        """Write the picture with the recipe inside, as PNG: other formats would change it again."""
        if Path(path).suffix.lower() != ".png":
            raise DreamscopeError(f"can't write '{path}': only .png keeps every level of a picture that is to fool")
        return images.write(self.image, path, note=self.recipe.to_json())

    def reread(self, model: Classifier, path: str | Path) -> Fooling:
        """Return the same with everything measured again on the picture in a file, by the network as it is."""
        return _measured(self, model, images.read(path))


def fool(
    model: Classifier,
    image: str | Path | Tensor,
    to: str | int | None = None,
    *,
    method: str = METHODS[0],
    norm: str = NORMS[0],
    budget: float | str | None = None,
    stop_at: float | None = None,
    steps: int | None = None,
    report: StepCallback | None = None,
) -> Fooling:
    """Change a picture until it is taken for another class.

    Parameters
    ----------
    model
        The classifier to fool.
    image
        A file, ``sample:NAME``, or an image (1, 3, H, W); it keeps its size.
    to
        The class it is to be taken for; any other than now if not given.
    method
        ``minimal`` looks for the least change; ``pgd`` goes as far as the budget, in many steps; ``fgsm`` in one;
        ``ascent`` follows the gradient until it is done.
    norm
        What is to be small: ``l2``, the change as a whole, or ``linf``, that of each colour.
    budget
        The most that the norm may be, colours in [0, 1]; ``2/255`` may be given as text. ``pgd`` and ``fgsm`` take
        one of `BUDGETS` if not given, the others none.
    stop_at
        The confidence to be reached; if not given, to be taken for the class is enough.
    steps
        At most; one of `STEPS` if not given.
    report
        Called after each step with a `Step`.

    Returns
    -------
    Fooling
        Whether or not it succeeded.

    Raises
    ------
    DreamscopeError
        No such class, method or norm; a budget of nothing; a picture that is taken for the class already.
    """
    ensure_one_of(method, METHODS, "method")
    ensure_one_of(norm, NORMS, "norm")
    started = time.perf_counter()
    most = _budget(budget, method, norm)
    if stop_at is not None and not 0 < stop_at < 1:
        raise DreamscopeError(f"stop-at is a confidence between 0 and 1, not {stop_at:g}")
    steps = STEPS[method] if steps is None else steps
    if not 1 <= steps <= 100_000 or (method == "fgsm" and steps != 1):
        raise DreamscopeError(f"{method} takes {'1 step' if method == 'fgsm' else '1 to 100000 steps'}, not {steps}")
    picture = images.read(image).cpu()
    if len(picture) != 1:
        raise DreamscopeError(f"one picture fools at a time, not {len(picture)}")
    original = images.to_8_bits(picture).to(model.device)
    wanted = None if to is None else labels.index_of(to, model.labels, model=model.name)
    with torch.no_grad():
        logits = model.logits(model.prepared(original))
    now = int(logits.argmax(1))
    if wanted is not None and wanted >= logits.shape[1]:
        raise DreamscopeError(
            f"class {wanted} is out of range: {model.name} has {logits.shape[1]} classes, 0-{logits.shape[1] - 1}"
        )
    if wanted == now and stop_at is None:
        raise DreamscopeError(f"the picture is taken for '{model.label(now)}' already; name another class")
    objective = Misclassified(now, stop_at or 0.0) if wanted is None else ClassifiedAs(wanted, stop_at or 0.0)
    fast, _ = prepared(model, [LOGITS], max(model.input_size), "float32")
    attempts = _attempts(original, method, norm, most, steps)
    total = sum(count for _, _, count in attempts)
    made, change = 0, torch.zeros_like(original)
    for kind, move, count in attempts:

        def done(step: Step, move: Seeking = move) -> bool:
            nonlocal made
            made = step.number
            return move.found is not None and not isinstance(move, Nearest)

        picture = Ascent(move, transforms=[Own(fast.prepared)], until=done)(
            fast,
            kind,
            objective,
            steps=count,
            generator=torch.Generator(),
            callback=report,
            before=made,
            total=total,
        )
        with torch.no_grad(), probe(fast, objective.layers) as seen:
            move.note(kind.change, objective(seen(fast.prepared(picture))))
        change = kind.change.round() if move.found is None else move.found
        if move.found is not None:
            break
    recipe = Recipe(
        version=__version__,
        command="fool",
        model=model.source,
        inputs={"image": reference(image)},
        parameters={
            "to": wanted,
            "method": method,
            "norm": norm,
            "budget": most,
            "stop_at": stop_at,
            "steps": steps,
        },
    )
    blank = Fooling(
        image=original,
        original=original.cpu(),
        wanted=wanted,
        before=(),
        after=(),
        wanted_before=0.0,
        wanted_after=0.0,
        success=False,
        steps=made,
        seconds=time.perf_counter() - started,
        recipe=recipe,
    )
    return _measured(blank, model, images.to_8_bits(original + change / LEVELS).cpu())


def _budget(given: float | str | None, method: str, norm: str) -> float | None:
    if given is None:
        return BUDGETS[norm] if method in ("pgd", "fgsm") else None
    try:
        above, _, below = str(given).partition("/")
        value = float(above) / (float(below) if below else 1.0)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not 0 < value < math.inf:
        raise DreamscopeError(f"a budget is more than 0, such as 2/255 or 0.5, not {given}")
    if value * LEVELS < 1 - 1e-9:
        raise DreamscopeError(f"a budget of {given} changes nothing in an 8-bit picture; the least is 1/255 (0.0039)")
    return value


def _attempts(
    original: Tensor, method: str, norm: str, most: float | None, steps: int
) -> list[tuple[Changed, Seeking, int]]:
    """Return what to try, in order, until something succeeds: the changes allowed, how to move, how often."""
    # A whole number of levels that is just reached must not be lost to rounding.
    levels = math.inf if most is None else most * LEVELS + 1e-6
    free = Changed(original)
    if norm == "l2":
        budget = None if most is None else levels
        if method == "minimal":
            return [(free, Nearest(), steps)]
        if method == "ascent":
            return [(free, Steepest(ASCENT_RATE * math.sqrt(original.numel()), budget), steps)]
        return [(free, Steepest(levels if method == "fgsm" else 2.5 * levels / steps, budget), steps)]
    if method == "minimal":
        budgets = [each for each in _LADDER if each <= levels]
        return [(Changed(original, each), Signed(max(0.5, 2.5 * each / steps)), steps) for each in budgets]
    whole = int(min(levels, LEVELS))
    kind = Changed(original, whole)
    if method == "ascent":
        return [(kind, Steepest(ASCENT_RATE * math.sqrt(original.numel())), steps)]
    return [(kind, Signed(float(whole) if method == "fgsm" else max(0.25, 2.5 * whole / steps)), steps)]


def _measured(fooling: Fooling, model: Classifier, image: Tensor) -> Fooling:
    """Return the same with a picture and what the network makes of it."""
    if image.shape != fooling.original.shape:
        raise DreamscopeError("the picture has another size than the one that was changed")
    # All classes, in one pass: the wanted one need not be among the likeliest.
    before, after = model.classify(torch.cat([fooling.original, image.cpu()]), top=sys.maxsize)
    first, parameters = before[0].index, fooling.recipe.parameters
    counted = first if fooling.wanted is None else fooling.wanted
    shares = [next(each.probability for each in found if each.index == counted) for found in (before, after)]
    wanted = [1 - share for share in shares] if fooling.wanted is None else shares
    answer = after[0]
    success = answer.index != first if fooling.wanted is None else answer.index == fooling.wanted
    success = success and answer.probability >= (parameters["stop_at"] or 0.0)
    changed = replace(
        fooling,
        image=image.cpu(),
        before=tuple(before[:5]),
        after=tuple(after[:5]),
        wanted_before=wanted[0],
        wanted_after=wanted[1],
    )
    most = parameters["budget"]
    reached = changed.linf if parameters["norm"] == "linf" else changed.l2
    # Half a level of tolerance would be a level; this is what floats lose.
    within = most is None or reached <= most + 1e-5
    return replace(changed, success=success and within)
