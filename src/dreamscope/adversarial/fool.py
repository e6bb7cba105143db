"""Fool: how little must change for the classifier to see something else?

Everything happens on the 256 levels of an 8-bit picture, so that the picture that fools can be saved as it is.
Methods after Szegedy et al. (2013, ``ascent``), Goodfellow et al. (2014, ``fgsm``), Madry et al. (2017, ``pgd``), and,
for the least change, Moosavi-Dezfooli et al. (2015, DeepFool) and Rony et al. (2018, DDN): ``minimal``.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dreamscope import images
from dreamscope.adversarial.quantized_steps import LEVELS, LeastChange, Nearest, QuantizedChange, Signed, Steepest
from dreamscope.errors import DreamscopeError, Interrupted, ensure_one_of, ensure_seed
from dreamscope.images import Picture, Size
from dreamscope.models import labels
from dreamscope.models.classifier import Classifier, Prediction
from dreamscope.objectives import ClassifiedAs, Misclassified, Objective
from dreamscope.optimize.ascent import Ascent, Step, StepCallback, stepping
from dreamscope.optimize.initial_images import initial_picture, is_initial, referenced
from dreamscope.optimize.precision import prepared
from dreamscope.optimize.transforms import Own
from dreamscope.probes import LOGITS, probe
from dreamscope.recipes import Recipe

METHODS = ("minimal", "pgd", "fgsm", "ascent")
NORMS = ("l2", "linf")

STEPS = {"minimal": 200, "pgd": 40, "fgsm": 1, "ascent": 200}
BUDGETS = {"linf": 8 / 255, "l2": 3.0}
"""Budgets of ``pgd`` and ``fgsm`` if none is given; the other methods look for the least by themselves."""

ASCENT_RATE = 0.5
"""Levels that a colour changes on average in a step of ``ascent``."""

UNSEEN_CONFIDENCE = 0.99
"""Reached from a start that is no photo, if no confidence is given: whatever shows nothing is taken for something."""

_LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 255)
"""Budgets in levels that ``minimal`` in linf tries one after the other."""


@dataclass(frozen=True)
class Goal:
    """What counts as success.

    Attributes
    ----------
    to : int or None
        The class that is to be predicted; ``None`` for any other than before.
    norm : str
        The norm of the change that has a budget, one of `NORMS`.
    budget : float or None
        The largest norm allowed, colours in [0, 1]; ``None`` for no limit.
    stop_at : float or None
        The least confidence of the prediction, if one was asked for.
    """

    to: int | None
    norm: str
    budget: float | None
    stop_at: float | None


@dataclass(frozen=True)
class Fooling:
    """A picture changed until another class was predicted - or not.

    Attributes
    ----------
    image : Tensor
        (1, 3, H, W) in [0, 1], on the levels of 8 bits; the nearest attempt if it did not succeed.
    original : Tensor
        The picture before, (1, 3, H, W), on the same levels.
    goal : Goal
        What counts as success.
    before, after : tuple of Prediction
        The likeliest classes, the likeliest first.
    wanted_before, wanted_after : float
        The probability of the wanted class, or, if any other will do, of all classes but the first prediction.
    steps : int
        Number of steps made.
    seconds : float
        How long it took.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    """

    image: Tensor
    original: Tensor
    goal: Goal
    before: tuple[Prediction, ...]
    after: tuple[Prediction, ...]
    wanted_before: float
    wanted_after: float
    steps: int
    seconds: float
    recipe: Recipe | None

    @property
    def success(self) -> bool:
        """Whether the wanted class is predicted, with the confidence asked for, within the budget."""
        now, first, goal = self.after[0], self.before[0], self.goal
        fooled = now.index != first.index if goal.to is None else now.index == goal.to
        length = self.linf if goal.norm == "linf" else self.l2
        # Half a level of tolerance would be a level; this is what floats lose.
        within = goal.budget is None or length <= goal.budget + 1e-5
        return fooled and now.probability >= (goal.stop_at or 0.0) and within

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
            raise DreamscopeError(f"can't write '{path}': only .png keeps every level of the change")
        return images.write(self.image, path, note=None if self.recipe is None else self.recipe.to_json())

    def reread(self, model: Classifier, path: str | Path) -> Fooling:
        """Return the same with everything measured again on the picture in a file, by the network as it is."""
        return _measured(self, model, images.read(path))

    def _repr_png_(self) -> bytes:
        """Return the original, the change and the changed picture beside each other."""
        return images.png(torch.cat([self.original, self.difference(), self.image], 3))


def fool(
    model: Classifier,
    image: Picture,
    to: str | int | None = None,
    *,
    method: str | None = None,
    norm: str = NORMS[0],
    budget: float | str | None = None,
    stop_at: float | None = None,
    steps: int | None = None,
    size: int | str | Size | None = None,
    seed: int = 0,
    callback: StepCallback | None = None,
    progress: bool = False,
    recipe: bool = True,
) -> Fooling:
    """Change a picture as little as possible until another class is predicted.

    Parameters
    ----------
    model
        The classifier to fool.
    image
        A file, ``sample:NAME``, a PIL image, an array, a tensor (1, 3, H, W), or an initial image: ``noise``,
        ``clouds``, ``black``, ``gray``, ``white``, or a colour (``#336699``, ``navy``).
    to
        The class that is to be predicted, by name or index; any other than now if not given.
    method
        ``minimal`` looks for the least change; ``pgd`` goes as far as the budget, in many steps; ``fgsm`` in one;
        ``ascent`` follows the gradient until it succeeds. ``minimal`` if not given, ``ascent`` from an initial image.
    norm
        What is to be small: ``l2``, the change as a whole, or ``linf``, the largest change of a colour.
    budget
        The largest norm allowed, colours in [0, 1]; ``2/255`` may be given as text. ``pgd`` and ``fgsm`` take one of
        `BUDGETS` if not given, the others none.
    stop_at
        The confidence to reach; if not given, it is enough that a photo is taken for the class, and of an initial image
        it is `UNSEEN_CONFIDENCE` (as in Nguyen et al. 2015, "Deep neural networks are easily fooled").
    steps
        Number of steps at most; one of `STEPS` if not given.
    size
        The longer side in pixels, or ``WIDTHxHEIGHT``; the photo's own, or for an initial image the network's input
        size, if not given.
    seed
        Seed of an initial image's random numbers.
    callback
        Called after each step with a `Step`.
    progress
        Show a bar.
    recipe
        Keep a recipe.

    Returns
    -------
    Fooling
        Whether or not it succeeded.

    Raises
    ------
    DreamscopeError
        If there is no such class, method or norm, the budget allows no change, or the class is predicted already.
    Interrupted
        On Ctrl-C; its ``result`` is the best so far, whether or not it succeeded.
    """
    arguments = locals()
    if method is None:
        method = "ascent" if is_initial(image) else METHODS[0]
    ensure_one_of(method, METHODS, "method")
    ensure_one_of(norm, NORMS, "norm")
    started = time.perf_counter()
    most = _budget(budget, method, norm)
    if stop_at is not None and not 0 < stop_at < 1:
        raise DreamscopeError(f"stop_at is a confidence between 0 and 1, not {stop_at:g}")
    steps = STEPS[method] if steps is None else steps
    if not 1 <= steps <= 100_000 or (method == "fgsm" and steps != 1):
        raise DreamscopeError(f"{method} takes {'1 step' if method == 'fgsm' else '1 to 100000 steps'}, not {steps}")
    ensure_seed(seed)
    stop_at = UNSEEN_CONFIDENCE if stop_at is None and is_initial(image) else stop_at
    picture = initial_picture(
        image, size, torch.Generator().manual_seed(seed), own=Size(model.input_size[1], model.input_size[0])
    )
    if len(picture) != 1:
        raise DreamscopeError(f"one picture fools at a time, not {len(picture)}")
    original = images.to_8_bits(picture).to(model.device)
    goal = Goal(None if to is None else labels.index_of(to, model.labels, model=model.name), norm, most, stop_at)
    with torch.no_grad():
        logits = model.logits(model.prepared(original))
    now = int(logits.argmax(1))
    if goal.to is not None:
        labels.ensure_class(goal.to, logits.shape[1], model=model.name)
    if goal.to == now and stop_at is None:
        raise DreamscopeError(f"the picture is taken for '{model.label(now)}' already; name another class")
    made = None
    if recipe:
        made = Recipe.of_call(
            fool,
            arguments,
            inputs=referenced({"image": image}),
            resolved={
                **{"to": goal.to, "method": method, "budget": most, "steps": steps, "stop_at": stop_at},
                "size": None if size is None and not is_initial(image) else str(images.size_of(picture)),
            },
        )
    objective = Misclassified(now, stop_at or 0.0) if goal.to is None else ClassifiedAs(goal.to, stop_at or 0.0)
    fast, _ = prepared(model, [LOGITS], max(model.input_size), "float32")

    def finished(search: _Search) -> Fooling:
        unmeasured = Fooling(
            image=original,
            original=original.cpu(),
            goal=goal,
            before=(),
            after=(),
            wanted_before=0.0,
            wanted_after=0.0,
            steps=search.steps,
            seconds=time.perf_counter() - started,
            recipe=made,
        )
        return _measured(unmeasured, model, images.to_8_bits(original + search.change / LEVELS).cpu())

    with stepping(callback, "fooling", progress=progress) as note:
        search = _Search(_attempts(original, method, norm, most, steps), note)
        try:
            search.run(fast, objective)
        except Interrupted as stop:
            stop.result = finished(search)
            raise
    return finished(search)


class _Search:
    """Tries one attempt after another until one fools.

    Attributes
    ----------
    change : Tensor
        In whole levels, (1, 3, H, W): the least that fools, or the last that was tried.
    steps : int
        Number of steps made.
    """

    def __init__(self, attempts: list[_Attempt], callback: StepCallback) -> None:
        self._attempts, self._callback = attempts, callback
        self.change, self.steps = attempts[0].allowed.change, 0

    def run(self, model: Classifier, objective: Objective) -> None:
        total = sum(each.steps for each in self._attempts)
        for allowed, rule, steps in self._attempts:
            ascent = Ascent(rule, transforms=[Own(model.prepared)], until=rule.ends)
            counts = {"before": self.steps, "total": total}
            try:
                last = ascent(
                    model, allowed, objective, steps=steps, generator=torch.Generator(), callback=self._count, **counts
                )
                with torch.no_grad(), probe(model, objective.layers) as seen:
                    rule.note(allowed.change, objective(seen(model.prepared(last))))
            finally:
                self.change = allowed.change.detach().round() if rule.found is None else rule.found
            if rule.found is not None:
                return

    def _count(self, step: Step) -> None:
        self._callback(step)
        self.steps = step.number


class _Attempt(NamedTuple):
    """The changes that are allowed, how the next is found, and the number of steps at most."""

    allowed: QuantizedChange
    rule: LeastChange
    steps: int


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


def _attempts(original: Tensor, method: str, norm: str, most: float | None, steps: int) -> list[_Attempt]:
    """Return what to try, in order, until something succeeds."""
    # A whole number of levels that is just reached must not be lost to rounding.
    levels = math.inf if most is None else most * LEVELS + 1e-6
    free = QuantizedChange(original)
    if norm == "l2":
        budget = None if most is None else levels
        if method == "minimal":
            return [_Attempt(free, Nearest(), steps)]
        if method == "ascent":
            return [_Attempt(free, Steepest(ASCENT_RATE * math.sqrt(original.numel()), budget), steps)]
        return [_Attempt(free, Steepest(levels if method == "fgsm" else 2.5 * levels / steps, budget), steps)]
    if method == "minimal":
        budgets = [each for each in _LADDER if each <= levels]
        return [
            _Attempt(QuantizedChange(original, each), Signed(max(0.5, 2.5 * each / steps)), steps) for each in budgets
        ]
    whole = int(min(levels, LEVELS))
    kind = QuantizedChange(original, whole)
    if method == "ascent":
        return [_Attempt(kind, Steepest(ASCENT_RATE * math.sqrt(original.numel())), steps)]
    return [_Attempt(kind, Signed(float(whole) if method == "fgsm" else max(0.25, 2.5 * whole / steps)), steps)]


def _measured(fooling: Fooling, model: Classifier, image: Tensor) -> Fooling:
    """Return the same with another picture and the network's predictions for it."""
    if image.shape != fooling.original.shape:
        raise DreamscopeError("the picture has another size than the one that was changed")
    # All classes, in one pass: the wanted one need not be among the likeliest.
    before, after = model.classify(torch.cat([fooling.original, image.cpu()]), top=sys.maxsize)
    counted = before[0].index if fooling.goal.to is None else fooling.goal.to
    shares = [next(each.probability for each in found if each.index == counted) for found in (before, after)]
    wanted = [1 - share for share in shares] if fooling.goal.to is None else shares
    return replace(
        fooling,
        image=image.cpu(),
        before=tuple(before[:5]),
        after=tuple(after[:5]),
        wanted_before=wanted[0],
        wanted_after=wanted[1],
    )
