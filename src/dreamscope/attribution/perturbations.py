"""Perturbation methods, which need no gradient: what changes when parts of the image are removed?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.attribution.base import BATCH, FILLS, Attribution, Case, Method, Windows, changes, ensure_between
from dreamscope.errors import DreamscopeError, ensure_one_of


@dataclass(frozen=True)
class Occlusion(Method):
    """Cover a window, in one place after the other: how much does the target lose, and what is predicted then?

    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2013). A pixel counts by the mean
    loss over the windows that cover it.

    Attributes
    ----------
    window : int
        Side, in pixels of the prepared image.
    stride : int
        From one window to the next; the last of each row and column ends at the edge.
    fill : str
        What covers it, one of `FILLS`.
    """

    batch: ClassVar[int] = 1

    window: int = 32
    stride: int = 8
    fill: str = "mean"

    name: ClassVar[str] = "occlusion"
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "{value} lost where covered"

    def __post_init__(self) -> None:
        ensure_between("window of occlusion", self.window, 1, 10_000)
        ensure_between("stride of occlusion", self.stride, 1, self.window)
        ensure_one_of(self.fill, FILLS, "fill")

    def attribute(self, case: Case) -> Attribution:
        """Return the mean loss, (1, 1, H, W), and what was predicted at each window."""
        image = case.images
        height, width = image.shape[-2:]
        if self.window > min(height, width):
            raise DreamscopeError(
                f"a window of {self.window} pixels is larger than the picture, which the network looks at as "
                f"{width}x{height}"
            )
        tops, lefts = self._starts(height), self._starts(width)
        places = [(top, left) for top in tops for left in lefts]
        cover = FILLS[self.fill](image)
        values, predictions = [], []
        with case.evaluator() as evaluate:
            whole, predicted = evaluate(image)
            for begin in range(0, len(places), BATCH):
                some = places[begin : begin + BATCH]
                covered = image.repeat(len(some), 1, 1, 1)
                for each, (top, left) in zip(covered, some, strict=True):
                    rows, columns = slice(top, top + self.window), slice(left, left + self.window)
                    each[:, rows, columns] = cover[0, :, rows, columns]
                value, prediction = evaluate(covered)
                values.append(value)
                predictions += [] if prediction is None else [prediction]
                case.callback(begin + len(some), len(places))
        seen = torch.cat(values)
        lost, times = torch.zeros(height, width), torch.zeros(height, width)
        for (top, left), loss in zip(places, (float(whole) - seen).tolist(), strict=True):
            lost[top : top + self.window, left : left + self.window] += loss
            times[top : top + self.window, left : left + self.window] += 1
        grid = (len(tops), len(lefts))
        windows = Windows(tops, lefts, self.window, seen.view(grid))
        if predicted is not None:
            there = torch.cat(predictions).view(grid)
            windows = replace(windows, predictions=there, changes=changes(case.model, there, int(predicted)))
        return Attribution((lost / times)[None, None], (windows,))

    def _starts(self, side: int) -> tuple[int, ...]:
        last = side - self.window
        return tuple(dict.fromkeys([*range(0, last, self.stride), last]))


@dataclass(frozen=True)
class Rise(Method):
    """RISE: the target's mean value over random masks that show a pixel.

    Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models" (2018). Divided
    by how much each pixel was shown, not by how much was to be expected: fewer masks are needed.

    Attributes
    ----------
    masks : int
        Number of masks.
    cells : int
        Cells of a mask along each side, which is enlarged smoothly.
    keep : float
        The share of the cells that is shown.
    """

    batch: ClassVar[int] = 1

    masks: int = 2000
    cells: int = 7
    keep: float = 0.5

    name: ClassVar[str] = "rise"
    unit: ClassVar[str] = "mean {value} where seen"

    def __post_init__(self) -> None:
        ensure_between("masks of rise", self.masks, 1, 1_000_000)
        ensure_between("cells of rise", self.cells, 2, 100)
        ensure_between("keep of rise", self.keep, 0.01, 0.99)

    def attribute(self, case: Case) -> Attribution:
        """Return the mean, (1, 1, H, W)."""
        height, width = case.images.shape[-2:]
        generator = case.generator()
        total, weight = torch.zeros(2, height, width, dtype=torch.float64)
        with case.evaluator() as evaluate:
            for begin in range(0, self.masks, BATCH):
                masks = self._draw(min(BATCH, self.masks - begin), height, width, generator)
                values, _ = evaluate(case.images * masks.to(case.images))
                total += torch.einsum("n,nhw->hw", values, masks[:, 0])
                weight += masks.sum((0, 1))
                case.callback(begin + len(masks), self.masks)
        # A pixel that no mask shows gets 0.
        return Attribution((total / weight.clamp_min(1e-6)).float()[None, None])

    def evidence(self, heat: Tensor) -> Tensor:
        """Return what lies above a map's least value: a pixel that counts for nothing has the mean of all masks."""
        return heat - heat.amin((1, 2, 3), keepdim=True)

    def _draw(self, count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Return masks (count, 1, H, W) in [0, 1]: a coarse random grid, enlarged, shifted by part of a cell."""
        rows, columns = -(-height // self.cells), -(-width // self.cells)
        coarse = torch.rand((count, 1, self.cells + 1, self.cells + 1), generator=generator) < self.keep
        size = ((self.cells + 1) * rows, (self.cells + 1) * columns)
        large = F.interpolate(coarse.float(), size, mode="bilinear")
        tops = torch.randint(rows, (count,), generator=generator).tolist()
        lefts = torch.randint(columns, (count,), generator=generator).tolist()
        shown = zip(large, tops, lefts, strict=True)
        return torch.stack([each[:, top : top + height, left : left + width] for each, top, left in shown])


@dataclass(frozen=True)
class Lime(Method):
    """LIME: which superpixels carry the decision? A linear model of the target's value when some are missing.

    Ribeiro, Singh and Guestrin, ""Why Should I Trust You?"" (2016), as for images: superpixels by SLIC (Achanta et
    al. 2012), ridge regression, samples weighted by a kernel of width 0.25 over the cosine distance. What is missing
    is filled as in occlusion; in its own mean colour, as in their code, a red part would stay red.

    Attributes
    ----------
    samples : int
        Number of images with about half of the superpixels missing.
    segments : int
        Approximate number of superpixels.
    fill : str
        What replaces a missing one, one of `FILLS`.
    """

    batch: ClassVar[int] = 1

    samples: int = 1000
    segments: int = 50
    fill: str = "mean"

    name: ClassVar[str] = "lime"
    signed: ClassVar[bool] = True
    unit: ClassVar[str] = "{value} that a superpixel adds"

    def __post_init__(self) -> None:
        ensure_between("samples of lime", self.samples, 10, 1_000_000)
        ensure_between("segments of lime", self.segments, 2, 10_000)
        ensure_one_of(self.fill, FILLS, "fill")

    def attribute(self, case: Case) -> Attribution:
        """Return the weights of the superpixels, (1, 1, H, W)."""
        from captum._utils.models.linear_model import SkLearnRidge
        from captum.attr import Lime as Local

        parts = superpixels(case.images, self.segments)
        generator = case.generator()
        done = 0

        def draw(_image: Tensor, **options: Any) -> Tensor:
            shape = (1, int(options["num_interp_features"]))
            return torch.randint(2, shape, generator=generator).to(case.images)

        with case.evaluator() as evaluate:

            def values(images: Tensor) -> Tensor:
                nonlocal done
                done += len(images)
                case.callback(min(done, self.samples), self.samples)
                return evaluate(images)[0].to(images)

            weights = Local(
                values, interpretable_model=SkLearnRidge(alpha=1.0), similarity_func=_nearness, perturb_func=draw
            ).attribute(
                case.images,
                feature_mask=parts[None, None].to(case.images.device),
                baselines=FILLS[self.fill](case.images),
                n_samples=self.samples,
                perturbations_per_eval=BATCH,
            )
        # captum gives each of the three colours the weight of their superpixel.
        return Attribution(weights.detach()[:, :1].float().cpu())


def superpixels(image: Tensor, count: int) -> Tensor:
    """Return about `count` superpixels of (1, 3, H, W), numbered from 0: (H, W), int64."""
    from skimage.segmentation import slic

    numbers = slic(image[0].permute(1, 2, 0).cpu().numpy(), n_segments=count, sigma=1.0, start_label=0)
    # Numbers may be left out; a gap would be a superpixel without pixels.
    parts: Tensor = torch.from_numpy(numbers).long().unique(return_inverse=True)[1]
    return parts


def _nearness(_image: Tensor, _changed: Tensor, shown: Tensor, **_: Mapping[str, Any]) -> Tensor:
    distance = 1 - F.cosine_similarity(shown.flatten(), torch.ones_like(shown.flatten()), dim=0)
    return (-0.5 * (distance / 0.25) ** 2).exp()
