"""Erasure: directions without which a class can't be read any more, taken away at the least harm to everything else.

At each site two sets of numbers are found in closed form: what is read, and what is taken away for it. What is taken
away is the difference between the class's mean and the others', as far as a linear probe could use it; what is read
tells that difference, and varies least over positions of photos of other things. Both are weighed by what the change
would do to the predictions of those photos, to first order.

References
----------
N. Belrose et al., "LEACE: Perfect linear concept erasure in closed form" (2023), of which this is a variant: it erases
means over positions by a change at every position, leaves what no probe could use, and counts harm in predictions in
place of squared activations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dreamscope.dissection.passes import Passes
from dreamscope.dissection.sites import Site
from dreamscope.dissection.statistics import shrunk_covariance
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.erase import Erase
from dreamscope.probes import means
from dreamscope.progress import Callback

LEFT = 1.0
"""Standard deviations by which the class may still differ from the rest: with so much a probe finds 9 % of its photos
at 1 % false alarms."""

TEMPERATURE = 3.0
"""At which the classes are drawn whose order is to be kept."""

_PAIRS = 3
_CELLS = 49
"""Positions are put together to at most so many before first-order harm is counted."""
_BASE = 0.03
"""Share of plain variance in the harm, beside what first-order effects say: these are of few photos."""
_ROUNDS = 3
_SHRINK = 0.01
_LEAST = 1e-9
_LEAST_SIZE = 1e-3
"""Singular values of two unit directions: with less they are one."""


@dataclass(frozen=True)
class _Seen:
    """What photos show at a site.

    Attributes
    ----------
    means, block : Tensor
        (N, c): means over positions where the edit will be, and of the block whose output is to be unreadable.
    cells : Tensor
        (N, positions, c), float32, positions put together to at most `_CELLS`.
    positions : Tensor
        (c, c): the covariance over all positions of all photos.
    """

    means: Tensor
    block: Tensor
    cells: Tensor
    positions: Tensor


class Eraser:
    """Finds what to erase of a class, on photos of it and of other things.

    All photos run through the intact network once, for any number of searches on some of them.

    Parameters
    ----------
    model
        The classifier, perhaps with edits that come before.
    class_index
        The class.
    sites
        Where, in the order of the forward pass; the last are the features, where all is erased that can be told, and
        the direction that the class's own output reads.
    targets, controls
        (N, 3, H, W), prepared.
    before
        Layers that edits may be at which come before those of the sites.
    seed
        Of the pairs of classes, and of random directions.
    """

    def __init__(
        self,
        model: Classifier,
        class_index: int,
        sites: Sequence[Site],
        targets: Tensor,
        controls: Tensor,
        *,
        before: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self._model = model
        self._class = class_index
        self._sites = sites
        self._generator = torch.Generator().manual_seed(seed)
        looked_at = [*before, *(name for site in sites for name in (site.layer, site.block))]
        # Mirrored photos of the class are photos of the class, of which there are seldom many.
        self._targets = Passes(model, torch.cat([targets, targets.flip(-1)]), looked_at)
        self._controls = Passes(model, controls, looked_at)
        self._count = len(targets)
        self._slopes, self._own = self._gradients()

    def run(
        self,
        targets: Tensor,
        controls: Tensor,
        *,
        before: Sequence[Edit] = (),
        left: float | None = None,
        draws: int = 0,
        callback: Callback | None = None,
    ) -> tuple[list[Erase], list[list[Erase]]]:
        """Find what to erase on some of the photos.

        Parameters
        ----------
        targets, controls
            Which of the photos, by row.
        before
            Edits that are in place already.
        left
            Standard deviations by which the class may still differ from the rest at a block; `LEFT` if not given.
        draws
            The number of sets of random directions.
        callback
            ``callback(stage, done, total)``, after each site.

        Returns
        -------
        list of Erase
            The edits, in order; none at a site where the class differs by no more than `left` with those before it in
            place.
        list of list of Erase
            Sets of as many random directions at the same layers.
        """
        left = LEFT if left is None else left
        found: list[Erase] = []
        random: list[list[Erase]] = [[] for _ in range(draws)]
        for number, site in enumerate(self._sites, 1):
            model = self._model.edited([*before, *found]) if before or found else self._model
            mine = self._seen(self._targets, model, site, torch.cat([targets, targets + self._count]))
            others = self._seen(self._controls, model, site, controls)
            spread = shrunk_covariance(torch.cat([each.block - each.block.mean(0) for each in (mine, others)]))
            if number == len(self._sites):
                edit: Erase | None = self._features(site, mine, others, spread=spread, rows=controls)
            else:
                edit = self._partial(site, mine, others, spread=spread, rows=controls, left=left)
            if edit is not None:
                found.append(edit)
                if draws and before:
                    # What hardly varies without those edits would be read with any strength in their absence.
                    others = self._seen(self._controls, self._model, site, controls)
                    spread = shrunk_covariance(others.block - others.block.mean(0))
                for drawn in random:
                    drawn.append(self._random(site, others, spread, edit.count))
            if callback is not None:
                callback("erasing directions", number, len(self._sites))
        return found, random

    @torch.no_grad()
    def _seen(self, passes: Passes, model: Classifier, site: Site, rows: Tensor) -> _Seen:
        inner, block, cells = [], [], []
        total: Tensor | None = None
        first: Tensor | None = None
        count = 0
        for seen in passes.runs(model, [site.layer, site.block], rows):
            activation = seen[site.layer].float().cpu()
            inner.append(means(activation).double())
            block.append(means(seen[site.block]).double().cpu())
            cells.append(_celled(activation).transpose(1, 2))
            flat = activation.transpose(0, 1).flatten(1).double()
            # Around the first batch's mean, or large means would swallow small variances.
            first = flat.mean(1, keepdim=True) if first is None else first
            flat = flat - first
            square = flat @ flat.T
            total = square if total is None else total + square
            count += flat.shape[1]
        assert total is not None
        assert first is not None
        means_ = torch.cat(inner)
        shift = means_.mean(0) - first[:, 0]
        return _Seen(means_, torch.cat(block), torch.cat(cells), total / count - shift[:, None] * shift)

    def _partial(
        self, site: Site, mine: _Seen, others: _Seen, *, spread: Tensor, rows: Tensor, left: float
    ) -> Erase | None:
        """Return what makes the class differ by no more than `left` at a block; ``None`` if it does not."""
        difference = mine.block.mean(0) - others.block.mean(0)
        told = mine.means.mean(0) - others.means.mean(0)
        inverse = torch.linalg.inv(spread)
        if float(difference @ inverse @ difference) <= left**2:
            return None
        center = others.means.mean(0)
        cells = others.cells.double() - center
        slopes = [each[rows].double() for each in self._slopes[site.layer]]
        sums = torch.cat([each.sum(1) for each in slopes])
        shifts = sums.T @ sums / len(sums)
        # A convolution behind that pads with zeros could not hold a center: what is read is then 0 at it.
        held = center if site.layer == site.block else None
        ridge = torch.eye(len(told), dtype=torch.double) * shifts.diagonal().mean()
        noise = _lifted(others.positions)
        read = _reading(noise, told, held)
        remove = _removal(
            shifts.diagonal().mean() * torch.eye(len(told), dtype=torch.double), inverse, difference, left
        )
        for _ in range(_ROUNDS):
            # What a change by `remove` at one position does, times how much is read there: the first-order effect.
            effect = torch.cat([(cells * (each @ remove)[..., None]).sum(1) for each in slopes])
            harm = effect.T @ effect / len(effect) + _BASE * float(remove @ shifts @ remove) * noise
            read = _reading(harm, told, held)
            amounts = cells @ read
            effect = torch.cat([(each * amounts[..., None]).sum(1) for each in slopes])
            plain = _BASE * float(read @ noise @ read) * (shifts + ridge) / 2
            remove = _removal(effect.T @ effect / len(effect) + plain, inverse, difference, left)
        return Erase(site.layer, remove, read, center if held is None else None)

    def _features(self, site: Site, mine: _Seen, others: _Seen, *, spread: Tensor, rows: Tensor) -> Erase:
        """Return what takes away all that tells the class from the rest, and what its own output reads."""
        if others.cells.shape[1] > 1:
            # Of the class too: what only its photos excite would be read with any strength.
            counts = [len(each.means) for each in (mine, others)]
            spread = _lifted((counts[0] * mine.positions + counts[1] * others.positions) / sum(counts))
        whiten, color = _whitening(spread)
        difference = mine.means.mean(0) - others.means.mean(0)
        columns = torch.stack([whiten @ difference, color @ self._own[site.layer][rows].mean(0).double()], 1)
        columns = columns / columns.norm(dim=0).clamp_min(_LEAST)
        basis, size, _ = torch.linalg.svd(columns, full_matrices=False)
        # What is read is high for the class, so that it can be looked at.
        # Not by the sum of the two, to which the second of the basis, their difference, is orthogonal.
        basis = torch.where(columns[:, 0] @ basis < 0, -basis, basis)[:, size > _LEAST_SIZE]
        return Erase(site.layer, color @ basis, basis.T @ whiten, others.means.mean(0))

    def _random(self, site: Site, others: _Seen, spread: Tensor, count: int) -> Erase:
        """Return as many directions, drawn at random among those of unit variance."""
        whiten, color = _whitening(spread if others.cells.shape[1] == 1 else _lifted(others.positions))
        basis = torch.linalg.qr(torch.randn((len(color), count), generator=self._generator, dtype=torch.double)).Q
        return Erase(site.layer, color @ basis, basis.T @ whiten, others.means.mean(0))

    def _gradients(self) -> tuple[dict[str, list[Tensor]], dict[str, Tensor]]:
        """Return slopes at each site: of the controls' predictions, and of the class's own output.

        The first are (N, positions, c) for each of several scores: the margin of each photo's prediction, and the order
        of pairs of likely classes; the others, (N, c), are sums over positions.
        """
        layers = [site.layer for site in self._sites]
        axes = {name: self._model.layers[name].channel_axis for name in layers}
        slopes: dict[str, list[list[Tensor]]] = {name: [[] for _ in range(_PAIRS + 1)] for name in layers}
        own: dict[str, list[Tensor]] = {name: [] for name in layers}
        for logits, caught in self._controls.with_gradients(self._model, layers):
            scores = [*self._orders(logits), logits[:, self._class] - logits.mean(1)]
            for number, score in enumerate(scores):
                found = torch.autograd.grad(
                    score.sum(), [caught[name] for name in layers], retain_graph=number < _PAIRS + 1
                )
                for name, raw in zip(layers, found, strict=True):
                    slope = raw.movedim(axes[name], 1).float().cpu()
                    if number <= _PAIRS:
                        cells = _celled(slope)
                        # Sums, as the effects of positions add up.
                        share = slope[0, 0].numel() / cells.shape[2]
                        slopes[name][number].append((cells * share).transpose(1, 2))
                    else:
                        own[name].append(slope.flatten(2).sum(2) if slope.dim() > 2 else slope)
        joined = {name: [torch.cat(each) for each in parts] for name, parts in slopes.items()}
        return joined, {name: torch.cat(each) for name, each in own.items()}

    def _orders(self, logits: Tensor) -> list[Tensor]:
        """Return how far the likely classes of each photo are apart, close ones counting most."""
        others = logits.detach().clone()
        others[:, self._class] = float("-inf")
        likely = (others / TEMPERATURE).softmax(1).cpu().clamp_min(1e-30)
        likely[:, self._class] = 0
        best = others.argmax(1)
        pairs = [torch.stack([best, others.scatter(1, best[:, None], float("-inf")).argmax(1)], 1)]
        if likely.shape[1] > 2:
            drawn = (torch.multinomial(likely, 2, generator=self._generator) for _ in range(_PAIRS))
            pairs += [each.to(logits.device) for each in drawn]
        else:
            pairs *= _PAIRS + 1
        found = []
        for pair in pairs:
            first, second = logits.gather(1, pair).unbind(1)
            found.append((first - second) / (1 + (first - second).detach().abs() / 2))
        return found


def _celled(activation: Tensor) -> Tensor:
    """Return means over neighbouring positions, (N, c, at most `_CELLS`), of an activation (N, c, ...)."""
    if activation.dim() == 4:
        side = int(_CELLS**0.5)
        height, width = (min(side, size) for size in activation.shape[2:])
        return F.adaptive_avg_pool2d(activation, (height, width)).flatten(2)
    if activation.dim() == 3:
        return F.adaptive_avg_pool1d(activation, min(_CELLS, activation.shape[2]))
    return activation[..., None]


def _lifted(covariance: Tensor) -> Tensor:
    return (1 - _SHRINK) * covariance + _SHRINK * covariance.diagonal().clamp_min(_LEAST**2).diag()


def _whitening(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matrix that makes a covariance the identity, and the one that undoes it."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(float(values[-1]) * _LEAST)
    return vectors * values**-0.5 @ vectors.T, vectors * values**0.5 @ vectors.T


def _reading(harm: Tensor, difference: Tensor, zero_at: Tensor | None) -> Tensor:
    """Return what to read: 1 for the difference, perhaps 0 at a center, with the least harm."""
    fixed = difference[:, None] if zero_at is None else torch.stack([difference, zero_at], 1)
    wanted = torch.zeros(fixed.shape[1], dtype=torch.double)
    wanted[0] = 1
    solved = torch.linalg.solve(harm, fixed)
    found: Tensor = solved @ torch.linalg.solve(fixed.T @ solved, wanted)
    return found


def _removal(harm: Tensor, inverse: Tensor, difference: Tensor, left: float) -> Tensor:
    """Return what to take away of the difference, with the least harm, so that only `left` deviations stay."""
    low, high = 1e-12, 1e12
    remove = difference
    scale = float(harm.diagonal().mean() / inverse.diagonal().mean())
    for _ in range(60):
        weight = (low * high) ** 0.5
        remove = torch.linalg.solve(harm + weight * scale * inverse, weight * scale * (inverse @ difference))
        rest = difference - remove
        if float(rest @ inverse @ rest) > left**2:
            low = weight
        else:
            high = weight
    return remove
