"""Is an attribution true to the network? Insertion and deletion curves, and sanity checks with random weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dreamscope.attribution.base import BATCH, FILLS, Case, Method, is_class
from dreamscope.errors import DreamscopeError
from dreamscope.probes import LOGITS

STEPS = 50
"""Steps of a curve."""

CHECKPOINTS = 8
"""Layers at which a sanity check compares maps."""


@dataclass(frozen=True)
class Faithfulness:
    """Insertion and deletion: the target's value with more and more of the highest pixels shown, or removed.

    Attributes
    ----------
    shares : tuple of float
        Shares of the pixels, from 0 to 1.
    insertion, deletion : tuple of float
        The class's probability at each; of anything but a class, its activation over that of the whole image.
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
class Checkpoint:
    """How similar the map still is when a network's last layers have random weights.

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


def faithfulness(case: Case, heat: Tensor, *, steps: int = STEPS) -> Faithfulness:
    """Measure how well a map's highest pixels carry the decision.

    Petsiuk, Das and Saenko, "RISE" (2018): pixels are shown from the highest on, the others blurred (insertion),
    or removed from the highest on, replaced by the image's mean colour (deletion).

    Parameters
    ----------
    case
        What was explained; one image.
    heat
        The map, (H, W), higher for more.
    steps
        Number of steps of each curve.

    Raises
    ------
    DreamscopeError
        If a channel or neuron is not active for the image: there is nothing to lose.
    """
    of_class = is_class(case.target)
    if not of_class and case.value <= 0:
        raise DreamscopeError(
            f"'{case.target.name}' is at {case.value:.3g} for this picture; insertion and deletion need one above 0"
        )
    # Parts of a map are often equal: in reading order the upper ones would always go first.
    shuffled = torch.randperm(heat.numel(), generator=case.generator())
    order = shuffled[heat.flatten()[shuffled].argsort(descending=True, stable=True)]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    rank = rank.view(heat.shape).to(case.images.device)
    counts = torch.linspace(0, heat.numel(), steps + 1).round().to(rank)
    image = case.images
    scale = 1.0 if of_class else case.value
    curves: list[tuple[float, ...]] = []
    with case.evaluator() as evaluate:
        for number, (shown, hidden) in enumerate([(image, FILLS["blur"](image)), (FILLS["mean"](image), image)]):
            values: list[float] = []
            for some in counts.split(BATCH):
                highest = (rank < some.view(-1, 1, 1))[:, None]
                values += (evaluate(torch.where(highest, shown, hidden))[0] / scale).tolist()
                case.callback(number * len(counts) + len(values), 2 * len(counts))
            curves.append(tuple(values))
    return Faithfulness(tuple((counts / heat.numel()).tolist()), *curves)


def sanity(
    case: Case,
    method: Method,
    heat: Tensor,
    heat_of: Callable[[Method, Case], Tensor],
    *,
    checkpoints: int = CHECKPOINTS,
) -> list[tuple[Checkpoint, ...]]:
    """Make a network's weights random from the top down, and see whether the attribution notices.

    Adebayo et al., "Sanity Checks for Saliency Maps" (2018), cascading: every parameter becomes normal numbers of its
    own mean and spread, layer by layer. A map that stays the same does not depend on what the network has learnt.

    Parameters
    ----------
    case
        What was explained, with the network as it is.
    method
        The method.
    heat
        Its maps, (N, 1, H, W).
    heat_of
        Returns the maps (N, 1, H, W) of a method and a case.
    checkpoints
        Number of layers at which maps are compared, spread evenly; each costs as much as the attribution.

    Returns
    -------
    list of tuple of Checkpoint
        For each image, from the top down.

    Raises
    ------
    DreamscopeError
        If nothing between the image and the target has weights.
    """
    model = case.model.with_module(copy.deepcopy(case.model.module))
    layers = _parameters(model.module, list(model.layers), case.objective.layers)
    if not layers:
        raise DreamscopeError(f"no layer before '{case.target.name}' has weights to make random")
    generator = case.generator()
    names = list(layers)
    compared = {names[round(place)] for place in torch.linspace(0, len(names) - 1, checkpoints).tolist()}
    found: list[list[Checkpoint]] = [[] for _ in case.images]
    for name in reversed(names):
        for parameter in layers[name]:
            with torch.no_grad():
                drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.copy_(drawn * parameter.std(correction=0) + parameter.mean())
        if name in compared:
            # The same seed as for the attribution itself, so that only the weights differ.
            random = heat_of(method, replace(case, model=model, callback=lambda _done, _total: None))
            for row, first, second in zip(found, heat, random, strict=True):
                row.append(Checkpoint(name, rank_correlation(first, second)))
            case.callback(len(found[0]), len(compared))
    return [tuple(row) for row in found]


def _parameters(module: nn.Module, order: Sequence[str], layers: Sequence[str]) -> dict[str, list[nn.Parameter]]:
    """Return the parameters by layer, in the order of the forward pass, as far as the target's `layers`.

    Those of a part that does not run as a module (the projections of `nn.MultiheadAttention`) belong to the layer
    around it; those of what encloses everything (class tokens, positions) to the first layer.
    """
    ends = [order.index(name) for name in layers if name != LOGITS]
    before = order if LOGITS in layers else order[: max(ends) + 1]
    found: dict[str, list[nn.Parameter]] = {name: [] for name in before}
    outer: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        owner = name.rpartition(".")[0]
        while owner and owner not in order:
            owner = owner.rpartition(".")[0]
        if not parameter.is_floating_point():
            continue
        if owner in found:
            found[owner].append(parameter)
        elif not owner or any(layer.startswith(f"{owner}.") for layer in layers):
            outer.append(parameter)
    found = {name: parameters for name, parameters in found.items() if parameters}
    if outer and before:
        first = next(iter(found), before[0])
        found[first] = [*found.get(first, ()), *outer]
    return found


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Return Spearman's correlation of two maps, equal values sharing their ranks; NaN if one is flat."""
    from scipy.stats import spearmanr

    if not (torch.isfinite(second).all() and first.std() > 0 and second.std() > 0):
        return float("nan")
    return float(spearmanr(first.flatten().numpy(), second.flatten().numpy()).statistic)


def _area(values: tuple[float, ...]) -> float:
    return float(torch.trapezoid(torch.tensor(values, dtype=torch.float64))) / (len(values) - 1)
