"""Gradient panels: the picture that a guided or deconvolved gradient is, cut out where a neuron sees little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.attribution.result import Explanation

_SMALL = 0.5
"""Share of the picture's side: what lies in less is cut out and enlarged."""


@dataclass(frozen=True)
class Panel:
    """One picture beside a map.

    Attributes
    ----------
    image : Tensor
        (1, 3, h, w) in [0, 1].
    title : str
        What it is.
    note : str
        What its colours are, or which part of the photo it is.
    """

    image: Tensor
    title: str
    note: str

    @property
    def caption(self) -> str:
        """Title and note in one line."""
        return f"{self.title} ({self.note})"

    def at_width(self, width: int) -> Tensor:
        """Return the image at a width; few pixels stay pixels."""
        height = round(width * self.image.shape[-2] / self.image.shape[-1])
        if width > 3 * self.image.shape[-1]:
            return F.interpolate(self.image, (height, width), mode="nearest-exact")
        return images.resize(self.image, images.Size(width, height)).clamp(0, 1)

    def draw(self, axes: Any) -> None:
        """Draw the image into axes of its proportions."""
        axes.imshow(self.at_width(800)[0].permute(1, 2, 0).numpy(), interpolation="antialiased")
        axes.set_axis_off()


def of(explanation: Explanation) -> list[Panel]:
    """Return the gradient as a picture; where it lies in a small part, that part, after the same part of the photo.

    Zeiler and Fergus, and Springenberg et al., show a neuron's reconstruction beside the patch that it saw. Empty for
    methods without such a picture.
    """
    if explanation.picture is None:
        return []
    box = small_part(explanation)
    if box is None:
        return [Panel(explanation.picture, "the gradient as a picture", "gray: no gradient")]
    top, left, height, width = box
    part = (..., slice(top, top + height), slice(left, left + width))
    return [
        Panel(explanation.images[part], "what it sees", f"{width}x{height} pixels"),
        Panel(explanation.picture[part], "the gradient as a picture", "gray: no gradient"),
    ]


def outline(axes: Any, explanation: Explanation) -> None:
    """Outline the part that is cut out, if there is one, on a map over the whole picture."""
    box = small_part(explanation) if explanation.method.pictured else None
    if box is None:
        return
    from matplotlib.patches import Rectangle

    top, left, height, width = box
    for colour, thick in (("black", 2.6), ("white", 1.2)):
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=colour, linewidth=thick))


def small_part(explanation: Explanation) -> tuple[int, int, int, int] | None:
    """Return top, left, height and width of what holds the whole gradient, in the picture's proportions.

    ``None`` if it is no small part of the picture, or there is no gradient.
    """
    there = explanation.values[0].abs().amax(0) > 0
    if not bool(there.any()):
        return None
    rows, columns = (there.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    share = max((rows[-1] + 1 - rows[0]) / there.shape[0], (columns[-1] + 1 - columns[0]) / there.shape[1])
    if share > _SMALL:
        return None
    spans = []
    for found, side in ((rows, there.shape[0]), (columns, there.shape[1])):
        length = min(side, max(found[-1] + 1 - found[0], round(share * side)))
        first = (found[0] + found[-1] + 1 - length) // 2
        spans.append((min(max(0, first), side - length), length))
    (top, height), (left, width) = spans
    return top, left, height, width
