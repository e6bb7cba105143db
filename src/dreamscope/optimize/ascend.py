"""Ascend: the door to the bare loop, for any network, image and objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from dreamscope import images as pictures
from dreamscope import objectives
from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.images import Pictures
from dreamscope.models.addresses import resolve
from dreamscope.models.wrapping import wrap
from dreamscope.objectives import Excite, Objective
from dreamscope.optimize import regularizers, transforms, update_rules
from dreamscope.optimize.ascent import Ascent, StepCallback, stepping
from dreamscope.optimize.parameterizations import Parameterization, Pixel, rate_of
from dreamscope.optimize.regularizers import Regularizer
from dreamscope.optimize.transforms import Transform


def ascend(
    model: nn.Module,
    image: Pictures | Parameterization,
    objective: str | Objective | Callable[[Mapping[str, Tensor]], Tensor],
    *,
    steps: int = 64,
    optimizer: update_rules.Chosen = "adam",
    rate: float | None = None,
    transform: Sequence[str | Transform | Callable[[Tensor], Tensor]] = (),
    crops: int = 1,
    penalty: Sequence[str | Regularizer] = (),
    redirect_steps: int = 16,
    seed: int = 0,
    callback: StepCallback | None = None,
    progress: bool = False,
) -> Tensor:
    """Climb any objective from any image through any network: the bare loop that `dream` and `visualize` are made of.

    Parameters
    ----------
    model
        Takes images (N, 3, H, W) in [0, 1]; any ``nn.Module``, which is neither changed nor left with hooks, or a
        classifier.
    image
        Where to start: whatever `dreamscope.images.read_all` takes, or one's own object with ``parameters()`` and
        ``image()``, which is changed in place.
    objective
        An address (its mean is climbed), an `Objective`, or a function with ``layers``.
    steps
        Number of steps.
    optimizer
        ``adam``, ``normalized`` (the gradient over its own mean size), an update rule, or a factory of an optimizer of
        ``torch.optim``; such optimizers get the gradients of minus the objective.
    rate
        Length of a step; one that suits the parameterization if not given.
    transform, crops, penalty, redirect_steps
        See `Ascent`; texts such as ``shift:8`` and ``tv:0.1``, or functions of images.
    seed
        Seed of all random numbers.
    callback
        Called after each step with a `Step`.
    progress
        Show a bar.

    Returns
    -------
    Tensor
        The images, (N, 3, H, W) in [0, 1].

    Raises
    ------
    DreamscopeError
        If an argument is invalid.
    DivergedError
        If numbers became infinite; its ``result`` is the last finite images.
    Interrupted
        On Ctrl-C; its ``result`` is the images after the last whole step.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    >>> ascend(net, torch.rand(1, 3, 16, 16), "0:2", steps=2).shape
    torch.Size([1, 3, 16, 16])
    """
    wrapped = wrap(model)
    if steps < 1 or crops < 1 or redirect_steps < 0:
        raise DreamscopeError("steps and crops are 1 or more, and redirect_steps 0 or more")
    ensure_seed(seed)
    if isinstance(objective, str):
        wanted: Objective = Excite(tuple(resolve([objective], wrapped)), "mean")
    else:
        wanted = objectives.ensure(objective)
    climbed = image
    if not isinstance(climbed, Parameterization):
        climbed = Pixel.of(pictures.read_all(climbed).to(wrapped.device))
    with stepping(callback, "climbing", progress=progress) as note:
        return Ascent(
            update_rules.ensure(optimizer, rate_of(climbed, Pixel.rate) if rate is None else rate),
            transforms=[transforms.sized(transforms.ensure(each), wrapped.input_size) for each in transform],
            crops=crops,
            penalties=[regularizers.ensure(each) for each in penalty],
            redirect_steps=redirect_steps,
        )(wrapped, climbed, wanted, steps=steps, generator=torch.Generator().manual_seed(seed), callback=note)
