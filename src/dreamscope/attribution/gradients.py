"""Gradient methods: how does the score change with each pixel?

The gradient loops are captum's. Its guided backpropagation and its deconvnet are not used: they change the ReLU
modules that they find, so that functions and ReLU6 silently keep the plain gradient; here the rule holds for every
rectifier, or the method refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from dreamscope.attribution.base import BATCH, FILLS, Attribution, Case, Method, ensure_between
from dreamscope.errors import ensure_one_of
from dreamscope.models.addresses import Address
from dreamscope.models.relu_rules import Counted, deconvolved, ensure_only_rectifiers, guided
from dreamscope.objectives.excite import select_map
from dreamscope.objectives.targets import Target
from dreamscope.probes import probe


@dataclass(frozen=True)
class Saliency(Method):
    """The gradient of the score; a pixel counts by the largest absolute value of its colours.

    Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks" (2013).
    """

    name: ClassVar[str] = "saliency"
    unit: ClassVar[str] = "absolute gradient"

    def attribute(self, case: Case) -> Attribution:
        """Return the gradient, (N, 3, H, W)."""
        return Attribution(_gradient(case.score, case))


@dataclass(frozen=True)
class SmoothGrad(Method):
    """The mean gradient over noisy copies of the image.

    Smilkov et al., "SmoothGrad: removing noise by adding noise" (2017).

    Attributes
    ----------
    samples : int
        Number of copies.
    noise : float
        Standard deviation, as a share of the span from the darkest to the brightest colour.
    """

    # The copies of one image fill a batch.
    batch: ClassVar[int] = 1

    samples: int = 50
    noise: float = 0.15

    name: ClassVar[str] = "smoothgrad"
    unit: ClassVar[str] = "absolute mean gradient"

    def __post_init__(self) -> None:
        ensure_between("samples of smoothgrad", self.samples, 1, 10_000)
        ensure_between("noise of smoothgrad", self.noise, 0, 1)

    def attribute(self, case: Case) -> Attribution:
        """Return the mean gradient, (N, 3, H, W)."""
        from captum.attr import NoiseTunnel
        from captum.attr import Saliency as Gradient

        span = float(case.images.max() - case.images.min())
        with _drawn_from(case.generator()):
            mean = NoiseTunnel(Gradient(_reported(case.score, case, self.samples))).attribute(
                case.leaf(),
                nt_type="smoothgrad",
                nt_samples=self.samples,
                nt_samples_batch_size=min(self.samples, BATCH // 2),
                stdevs=self.noise * span,
                abs=False,
            )
        return Attribution(_plain(mean))


POSITIONS = ("strongest", "all")
"""What of a channel is explained where no position is named: its strongest neuron, or the mean of all."""


@dataclass(frozen=True)
class _Ruled(Method):
    """A gradient with another rule for rectifiers.

    Attributes
    ----------
    position : str
        One of `POSITIONS`; of classes, neurons and sums it changes nothing.
    """

    position: str = "strongest"

    pictured: ClassVar[bool] = True
    _rule: ClassVar[Callable[[], AbstractContextManager[Counted]]]

    def __post_init__(self) -> None:
        ensure_one_of(self.position, POSITIONS, "position")

    def aimed(self, case: Case) -> Case:
        """Return the case with each channel at its strongest position, unless all are wanted."""
        if self.position == "all":
            return case
        found = tuple(target for part in case.split(BATCH) for target in _strongest(part))
        return case if found == case.targets else replace(case, targets=found)

    def attribute(self, case: Case) -> Attribution:
        """Return the gradient by the rule, (N, 3, H, W)."""
        with type(self)._rule() as ran:

            def checked(images: Tensor) -> Tensor:
                score = case.score(images)
                ensure_only_rectifiers(score, ran, what=self.name, name=case.model.name)
                return score

            return Attribution(_gradient(checked, case))


@dataclass(frozen=True)
class Guided(_Ruled):
    """Guided backpropagation: a ReLU hands back a gradient only where it is active and the gradient is above 0.

    Springenberg et al., "Striving for Simplicity: The All Convolutional Net" (2014). It shows edges sharply, but
    almost the same ones for every class, and also when the last layers are random. Of a channel it shows the strongest
    neuron, as their figures do.
    """

    name: ClassVar[str] = "guided"
    unit: ClassVar[str] = "absolute guided gradient"
    _rule = staticmethod(guided)


@dataclass(frozen=True)
class Deconv(_Ruled):
    """The deconvnet: a ReLU hands back a gradient wherever it is above 0, whether it is active or not.

    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2013), as a rule for gradients;
    their other parts, transposed filters and the switches of max pooling, are what the gradient does anyway. Of a
    channel it shows the strongest neuron, as their figures do. Of a network without max pooling it shows the grid of
    its strides and little else, as Springenberg et al. (2014) report; take guided.
    """

    name: ClassVar[str] = "deconv"
    unit: ClassVar[str] = "absolute deconvnet gradient"
    _rule = staticmethod(deconvolved)


@dataclass(frozen=True)
class Integrated(Method):
    """Integrated gradients: each pixel's share of the score's rise from an empty image to this one.

    Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (2017). The shares add up to the
    difference of the two scores.

    Attributes
    ----------
    steps : int
        Number of images on the way (Gauss-Legendre points).
    fill : str
        The empty image, one of `FILLS`.
    """

    # The images on the way to one fill a batch.
    batch: ClassVar[int] = 1

    steps: int = 50
    fill: str = "zero"

    name: ClassVar[str] = "integrated"
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "share of the score"

    def __post_init__(self) -> None:
        ensure_between("steps of integrated", self.steps, 1, 10_000)
        ensure_one_of(self.fill, FILLS, "fill")

    def attribute(self, case: Case) -> Attribution:
        """Return each colour's share, (N, 3, H, W)."""
        from captum.attr import IntegratedGradients

        shares = IntegratedGradients(_reported(case.score, case, self.steps)).attribute(
            case.leaf(),
            baselines=FILLS[self.fill](case.images),
            n_steps=self.steps,
            internal_batch_size=BATCH // 2,
        )
        return Attribution(_plain(shares))


def _strongest(case: Case) -> tuple[Target, ...]:
    """Return the targets, those that are one channel of a map without a position at its strongest one."""
    layers = case.model.layers
    wanted = [
        target.terms[0]
        if len(target.terms) == 1
        and isinstance(term := target.terms[0], Address)
        and term.position is None
        and len(term.channels or ()) == 1
        and len(layers[term.layer].grid) == 2
        else None
        for target in case.targets
    ]
    names = sorted({each.layer for each in wanted if isinstance(each, Address)})
    if not names:
        return case.targets
    with torch.no_grad(), probe(case.model, names) as seen:
        seen(case.images)
    found = []
    for number, (target, address) in enumerate(zip(case.targets, wanted, strict=True)):
        if not isinstance(address, Address):
            found.append(target)
            continue
        activation = address.weight * select_map(seen, address)[number, 0]
        row, column = divmod(int(activation.argmax()), activation.shape[1])
        there = replace(address, position=(row, column))
        found.append(replace(target, terms=(there,), name=str(there)))
    return tuple(found)


def _gradient(score: Callable[[Tensor], Tensor], case: Case) -> Tensor:
    from captum.attr import Saliency as Gradient

    return _plain(Gradient(score).attribute(case.leaf(), abs=False))


def _plain(values: Tensor) -> Tensor:
    return values.detach().float().cpu()


def _reported(score: Callable[[Tensor], Tensor], case: Case, total: int) -> Callable[[Tensor], Tensor]:
    done = 0

    def counted(images: Tensor) -> Tensor:
        nonlocal done
        done = min(total, done + len(images))
        scores = score(images)
        case.callback(done, total)
        return scores

    return counted


@contextmanager
def _drawn_from(generator: torch.Generator) -> Iterator[None]:
    """Let a library that draws from PyTorch's own generator draw from ours, and leave PyTorch's as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield
