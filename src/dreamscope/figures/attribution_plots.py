"""Attribution plots: what pixels count for, over the picture, with a colour bar; several on a sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope import images
from dreamscope.attribution.base import Change
from dreamscope.attribution.result import Explanation
from dreamscope.errors import DreamscopeError
from dreamscope.figures import gradient_panels, style
from dreamscope.figures.contact_sheets import Cell, sheet

INSERTION, DELETION = style.FOUND, style.COMPARED
SCALE, SIGNED = "inferno", "RdBu_r"
"""Maps of colour: one that only grows brighter; one that parts in two at zero, red for what speaks for it."""

SIGNS = "red: speaks for it, blue: against it"

MOST_CHANGES = 4
"""Other predictions that are outlined."""

_OUTLINES = ("#00c2a8", "#c058f0", "#f2b705", "#4f9dff")
_CLIP, _CLIP_COLOURS = 0.995, 0.98
"""Of the pixels lie within the scale, also of a gradient's: a few are so large that nothing else would be seen."""
_SIDE, _BAR, _CURVES, _HEAD, _GAP = 4.0, 1.25, 3.6, 0.4, 0.1
"""Inches: the photo's width, room for the colour bar and its numbers, for the curves, for a title; between."""

_WIDE = round(100 * _SIDE)  # pixels

_LOOK: dict[str, Any] = {
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), style.INK),
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def drawn(explanations: Sequence[Explanation]) -> Tensor:
    """Return one explanation of an image as an overlay, several as a sheet that begins with the image.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].
    """
    if not explanations:
        raise DreamscopeError("no explanations to draw")
    if any(len(each) != 1 for each in explanations):
        raise DreamscopeError("explanations of several images are drawn one by one: drawn([each[0] for each in found])")
    if len(explanations) == 1:
        return overlay(explanations[0])
    first = explanations[0]
    same = len({each.targets for each in explanations}) == 1
    maps = [overlay(each, title=False) for each in explanations]

    def framed(picture: Tensor) -> Tensor:
        """Put a picture of a photo's size where the photos of maps are."""
        gap, below, beside = round(100 * _GAP), maps[0].shape[-2] - picture.shape[-2], maps[0].shape[-1] - _WIDE
        return F.pad(picture, (gap, beside - gap, gap, max(0, below - gap)), value=1.0)

    photo = images.resize(first.images, images.fit_to(first.images, _WIDE)).clamp(0, 1)
    cells = [Cell(framed(photo), str(first.targets[0]) if same else "the photo")]
    for each, picture in zip(explanations, maps, strict=True):
        label = each.method.name if each.method.pictured else str(each.method)
        cells.append(Cell(picture, label if same else f"{label}: {each.targets[0]}", _note(each)))
        cells += [
            Cell(framed(panel.at_width(_WIDE)), f"{each.method.name}: {panel.title}", panel.note)
            for panel in gradient_panels.of(each)
        ]
    name = "a network" if first.recipe is None else first.recipe.model.get("name", "a network")
    title = f"{name}: what counts" + (f" for {first.targets[0]}" if same else "")
    rows = math.ceil(len(cells) / (3 if first.faithfulness else 4))
    return sheet(cells, columns=math.ceil(len(cells) / rows), title=title, most=1000)


def overlay(explanation: Explanation, *, title: bool = True) -> Tensor:
    """Return a map over its picture with a colour bar, and the curves of its faithfulness beside it.

    Parameters
    ----------
    explanation
        What to draw, of one image. A map with signs is red where it speaks for the target, blue where against it. Of
        occlusion, the places whose cover changes the prediction are outlined, and the new predictions named.
    title
        Write what is explained above it, and of ``guided`` and ``deconv`` draw the gradient as a picture beside it.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].
    """
    proportion = explanation.images.shape[-2] / explanation.images.shape[-1]
    curves = bool(explanation.faithfulness)
    panels = gradient_panels.of(explanation) if title else []
    width = _GAP + _SIDE + _BAR + len(panels) * (_SIDE + _GAP) + (_CURVES if curves else 0)
    height = max(_SIDE * proportion, 2.4 if curves else 0) + (_HEAD if title else _GAP) + _GAP
    with style.canvas(width, height, plain=True, **_LOOK) as figure:

        def place(left: float, bottom: float, wide: float, high: float) -> Any:
            # In inches, so that every picture of a sheet has its photo at the same place and size.
            return figure.add_axes((left / width, bottom / height, wide / width, high / height))

        _map(
            place(_GAP, _GAP, _SIDE, _SIDE * proportion),
            place(_GAP + _SIDE + 0.08, _GAP, 0.15, _SIDE * proportion),
            explanation,
        )
        for number, panel in enumerate(panels):
            left = _GAP + _SIDE + _BAR + number * (_SIDE + _GAP)
            panel.draw(place(left, _GAP, _SIDE, _SIDE * proportion))
            figure.text(left / width, 1 - 0.26 / height, panel.caption, fontsize=10, parse_math=False)
        if curves:
            bottom = _GAP + 0.4
            _curves(place(width - _CURVES + 0.6, bottom, _CURVES - 0.8, height - bottom - 0.6), explanation)
        if title:
            text = shorten(
                f"{explanation.method.name}: {explanation.targets[0]}", 95 if curves else 58, placeholder=" ..."
            )
            figure.text(_GAP / width, 1 - 0.26 / height, text, fontsize=10, parse_math=False)
        return style.drawn(figure, 100)


def limits(explanation: Explanation) -> tuple[float, float, str]:
    """Return where the colours of a map begin and end, and on which sides values lie beyond (as colour bars say)."""
    clip = _CLIP_COLOURS if explanation.values.shape[1] > 1 else _CLIP
    return limits_of(explanation.map[0, 0], signed=explanation.method.signed, clip=clip)


def limits_of(heat: Tensor, *, signed: bool, clip: float = _CLIP) -> tuple[float, float, str]:
    """Return the same of a map (H, W), so that the share `clip` of its pixels lies within."""
    if signed:
        far = float(heat.abs().quantile(clip)) or float(heat.abs().max()) or 1.0
        low, high = -far, far
    else:
        low, high = float(heat.min()), float(heat.quantile(clip))
        # All of it may lie in fewer pixels than are cut off.
        high = high if high > low else float(heat.max())
        high = high if high > low else low + 1.0
    below, above = bool(heat.min() < low), bool(heat.max() > high)
    return low, high, "both" if below and above else "min" if below else "max" if above else "neither"


def blended(photo: Tensor, heat: Tensor, low: float, high: float, *, signed: bool) -> np.ndarray[Any, Any]:
    """Return a map (H, W) in colours from `low` to `high` over a photo (1, 3, H, W) in gray: (H, W, 3) in [0, 1]."""
    shown, cover = _covering(heat, low, high, signed=signed)
    gray = images.gray(photo)[0, 0].numpy()[..., None]
    gray = 0.35 + 0.6 * gray if signed else gray
    mixed: np.ndarray[Any, Any] = np.clip(gray * (1 - cover) + shown * cover, 0, 1)
    return mixed


def layer(explanation: Explanation) -> tuple[Tensor, Tensor]:
    """Return the map of one image by itself, to be laid over the photo: colours (1, 3, H, W), and how much they cover.

    Where nothing counts, they cover nothing; the cover is (1, 1, H, W) in [0, 1].
    """
    low, high, _ = limits(explanation)
    signed = explanation.method.signed
    shown, cover = _covering(explanation.map[0, 0], low, high, signed=signed)
    least = float(cover.min())
    # Over a photo in its colours, the dark end of the scale would only make it dark.
    cover = cover if signed else (cover - least) / max(float(cover.max()) - least, 1e-6)
    return tuple(torch.from_numpy(each).float().permute(2, 0, 1)[None] for each in (shown, cover))  # type: ignore[return-value]


def _covering(
    heat: Tensor, low: float, high: float, *, signed: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a map (H, W) in colours (H, W, 3), and how much they cover of what is below, (H, W, 1)."""
    values = heat.numpy()
    # The stronger, the less of the photo: where nothing counts it is to be seen as it is, but gray.
    strength = np.clip(np.abs(values) / high if signed else (values - low) / (high - low), 0, 1)[..., None]
    cover = 0.25 + 0.65 * strength if not signed else 0.85 * strength**0.7
    return _colours(low, high, signed=signed).to_rgba(values)[..., :3], cover


def _colours(low: float, high: float, *, signed: bool) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(low, high), SIGNED if signed else SCALE)


def _map(axes: Any, bar: Any, explanation: Explanation) -> None:
    low, high, beyond = limits(explanation)
    signed = explanation.method.signed
    mixed = blended(explanation.images, explanation.map[0, 0], low, high, signed=signed)
    axes.imshow(mixed, interpolation="bilinear")
    axes.set_axis_off()
    unit = explanation.method.unit.format(value=_value(explanation)) + (f"\n{SIGNS}" if signed else "")
    bar_of = _colours(low, high, signed=signed)
    axes.figure.colorbar(bar_of, cax=bar, extend=beyond, extendfrac=0.03, label=unit)
    gradient_panels.outline(axes, explanation)
    if explanation.windows:
        _outline(axes, explanation)


def _outline(axes: Any, explanation: Explanation) -> None:
    """Draw around the places whose cover changes the prediction, and name the new one."""
    (windows,) = explanation.windows
    if windows.predictions is None or min(windows.values.shape) < 2:
        return
    half = windows.size / 2
    across, down = [left + half for left in windows.lefts], [top + half for top in windows.tops]
    handles = []
    from matplotlib.lines import Line2D

    for change, colour in zip(windows.changes[:MOST_CHANGES], _OUTLINES, strict=False):
        there = (windows.predictions == change.index).float().numpy()
        axes.contour(across, down, there, levels=[0.5], colors=[colour], linewidths=1.6)
        handles.append(Line2D([], [], color=colour, linewidth=2, label=_named(change)))
    if handles:
        legend = axes.legend(handles=handles, title="covered there, it is", loc="lower left", fontsize=7.5)
        legend.get_title().set_fontsize(7.5)
        legend.get_frame().set(alpha=0.8, facecolor="white", edgecolor="none", visible=True)
        legend.set_frame_on(True)


def _named(change: Change) -> str:
    return f"{shorten(change.label, 28, placeholder='...')} {change.share:.0%}".replace("$", r"\$")


def _curves(axes: Any, explanation: Explanation) -> None:
    (curves,) = explanation.faithfulness
    shares = [100 * share for share in curves.shares]
    for values, area, name, colour in (
        (curves.insertion, curves.insertion_area, "insertion", INSERTION),
        (curves.deletion, curves.deletion_area, "deletion", DELETION),
    ):
        axes.plot(shares, values, color=colour, linewidth=1.6, label=f"{name}, area {area:.3f}")
        axes.fill_between(shares, 0, values, color=colour, alpha=0.1, linewidth=0)
    axes.set_xlabel("highest pixels shown, or removed (%)")
    axes.set_ylabel("probability" if explanation.targets[0].is_class else "share of the activation")
    low, high = min(0.0, *curves.insertion, *curves.deletion), max(1.0, *curves.insertion, *curves.deletion)
    axes.set_xlim(0, 100)
    axes.set_ylim(low - 0.02 * (high - low), high + 0.02 * (high - low))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1, fontsize=8.5)


def _value(explanation: Explanation) -> str:
    return "probability" if explanation.targets[0].is_class else "activation"


def _note(explanation: Explanation) -> str:
    """Return what stands under a cell of a sheet; not how long it took, or no two sheets would be the same."""
    if not bool(explanation.map.any()):
        return "empty: nothing speaks for it"
    notes = []
    for curves in explanation.faithfulness:
        notes.append(f"insertion {curves.insertion_area:.3f}, deletion {curves.deletion_area:.3f}")
    if explanation.sanity:
        last = explanation.sanity[0][-1].similarity
        notes.append("random: flat" if math.isnan(last) else f"random: {last:.2f}")
    return "; ".join(notes)
