"""Is an explanation true to the network? Curves of what its pixels carry, and what is left of it without weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamscope.attribution.base import BATCH, FILLS, Method, Question
from dreamscope.errors import DreamscopeError
from dreamscope.probes import LOGITS

STEPS = 50
"""Of a curve."""

CHECKPOINTS = 8
"""Layers at which a sanity check looks."""


@dataclass(frozen=True)
class Faithfulness:
    """Insertion and deletion: what the network says with more and more of the highest pixels shown, or taken away.

    Attributes
    ----------
    shares : tuple of float
        Of the pixels, from 0 to 1.
    insertion, deletion : tuple of float
        The class's probability at each; of anything but a class, its activation over the whole picture's.
    """

    shares: tuple[float, ...]
    insertion: tuple[float, ...]
    deletion: tuple[float, ...]

    @property
    def insertion_area(self) -> float:
        """The area under the curve, up to 1: the higher, the fewer pixels were enough."""
        return _area(self.insertion)

    @property
    def deletion_area(self) -> float:
        """The area under the curve, up to 1: the lower, the fewer missing pixels ruined it."""
        return _area(self.deletion)


@dataclass(frozen=True)
class Survival:
    """How like the explanation still is when a network's last layers have random weights.

    Attributes
    ----------
    layer : str
        The deepest layer that is random; so are all behind it.
    similarity : float
        Rank correlation (Spearman) of the two maps: 1 is the same map, 0 another one. NaN if the random network's
        map is the same everywhere.
    """

    layer: str
    similarity: float


def faithfulness(question: Question, heat: Tensor, *, steps: int = STEPS) -> Faithfulness:
    """Measure how well a map's highest pixels carry the answer.

    Petsiuk, Das and Saenko, "RISE" (2018): pixels are shown from the highest on, the others blurred (insertion),
    or taken away from the highest on, in the picture's mean colour (deletion).

    Parameters
    ----------
    question
        What was explained.
    heat
        The map, (H, W), higher for more.
    steps
        Of each curve.

    Raises
    ------
    DreamscopeError
        If a channel or neuron is not active for the picture: there is nothing to lose.
    """
    if not question.asks_for_class and question.value <= 0:
        raise DreamscopeError(
            f"'{question.subject.name}' is at {question.value:.3g} for this picture; insertion and deletion need one "
            "above 0"
        )
    # Parts of a map are often equal: in reading order the upper ones would always go first.
    shuffled = torch.randperm(heat.numel(), generator=question.generator)
    order = shuffled[heat.flatten()[shuffled].argsort(descending=True, stable=True)]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    rank = rank.view(heat.shape).to(question.image.device)
    counts = torch.linspace(0, heat.numel(), steps + 1).round().to(rank)
    picture = question.image
    scale = 1.0 if question.asks_for_class else question.value
    curves: list[tuple[float, ...]] = []
    with question.looking() as look:
        for number, (shown, hidden) in enumerate(
            [(picture, FILLS["blur"](picture)), (FILLS["mean"](picture), picture)]
        ):
            values: list[float] = []
            for some in counts.split(BATCH):
                highest = (rank < some.view(-1, 1, 1))[:, None]
                values += (look(torch.where(highest, shown, hidden))[0] / scale).tolist()
                question.report(number * len(counts) + len(values), 2 * len(counts))
            curves.append(tuple(values))
    return Faithfulness(tuple((counts / heat.numel()).tolist()), *curves)


def sanity(
    question: Question,
    method: Method,
    heat: Tensor,
    heat_of: Callable[[Method, Question], Tensor],
    *,
    checkpoints: int = CHECKPOINTS,
) -> tuple[Survival, ...]:
    """Make a network's weights random from the top down, and see whether the explanation notices.

    Adebayo et al., "Sanity Checks for Saliency Maps" (2018), cascading: normal numbers with each layer's own
    mean and spread. A map that stays as it was does not speak of what the network has learnt.

    Parameters
    ----------
    question
        What was explained, asked of the network as it is.
    method
        How.
    heat
        The map, (H, W).
    heat_of
        What makes a map (H, W) of a method and a question.
    checkpoints
        At how many layers to look, spread evenly; each costs as much as the explanation.

    Raises
    ------
    DreamscopeError
        If nothing between the picture and the subject has weights.
    """
    module = copy.deepcopy(question.model.module)
    model = question.model.with_module(module)
    # In the order of the forward pass, as far as the subject: what does not run, or later, does not matter.
    order = list(model.layers)
    layers = question.subject.objective("mean").layers
    ends = [order.index(name) for name in layers if name != LOGITS]
    before = order if LOGITS in layers else order[: max(ends) + 1]
    names = [name for name in before if _weight(module.get_submodule(name)) is not None]
    if not names:
        raise DreamscopeError(f"no layer before '{question.subject.name}' has weights to make random")
    seed = question.generator.initial_seed()
    generator = torch.Generator().manual_seed(seed)
    looked_at = {names[round(place)] for place in torch.linspace(0, len(names) - 1, checkpoints).tolist()}
    found = []
    for name in reversed(names):
        weight = _weight(module.get_submodule(name))
        assert weight is not None
        with torch.no_grad():
            drawn = torch.randn(weight.shape, generator=generator).to(weight)
            weight.copy_(drawn * weight.std(correction=0) + weight.mean())
        if name in looked_at:
            # The same draws as for the explanation itself, so that only the weights differ.
            asked = Question(model, question.image, question.subject, torch.Generator().manual_seed(seed))
            found.append(Survival(name, rank_correlation(heat, heat_of(method, asked))))
            question.report(len(found), len(looked_at))
    return tuple(found)


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Return Spearman's correlation of two maps, equal values sharing their ranks; NaN if one is flat."""
    if not (torch.isfinite(second).all() and first.std() > 0 and second.std() > 0):
        return float("nan")
    ranks = torch.stack([_ranks(first), _ranks(second)])
    return float(torch.corrcoef(ranks)[0, 1])


def _ranks(values: Tensor) -> Tensor:
    _, where, counts = values.flatten().unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    ranks: Tensor = (ends - counts.double() / 2)[where]
    return ranks


def _weight(part: nn.Module) -> Tensor | None:
    weight = getattr(part, "weight", None)
    # Norms have vectors; they keep theirs, or numbers would leave every range.
    return weight if isinstance(weight, Tensor) and weight.dim() > 1 else None


def _area(values: tuple[float, ...]) -> float:
    return float(torch.trapezoid(torch.tensor(values, dtype=torch.float64))) / (len(values) - 1)
