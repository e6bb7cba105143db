"""What two sets of responses to photos say of a channel: by how much they differ, and by how much one varies."""

from __future__ import annotations

from torch import Tensor

from dreamscope.exploration.responses import Responses


def places(values: Tensor, ties: Tensor) -> Tensor:
    """Return the places of numbers, the highest first; of equal ones that with the higher number in `ties`."""
    order = ties.argsort(descending=True, stable=True)
    return order[values[order].argsort(descending=True, stable=True)]


def standardized_difference(targets: Responses, controls: Responses) -> Tensor:
    """Return how far the targets' mean lies above the controls', in (pooled) standard deviations."""
    pooled = ((targets.deviation.square() + controls.deviation.square()) / 2).sqrt()
    difference = targets.mean - controls.mean
    # Never quite zero: a channel that is constant in both sets, but not the same, separates them perfectly.
    return difference / pooled.clamp_min(1e-6)


def rank_auc(targets: Responses, controls: Responses) -> Tensor:
    """Return the chance that a target's response exceeds a control's, ties counting half.

    From the histograms, so to within a bin of a quarter octave.
    """
    share_t = targets.histogram / max(1, targets.count)
    share_c = controls.histogram / max(1, controls.count)
    below = share_c.cumsum(1) - share_c
    return (share_t * (below + share_c / 2)).sum(1)


def shrunk_covariance(centred: Tensor) -> Tensor:
    """Return the covariance of features (N, c), double, shrunk so that it can be inverted.

    Towards its diagonal, by Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
    matrices", of the features divided by their standard deviations.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    size = centred.square().mean(0).sqrt().clamp_min(1e-9)
    share = float(ledoit_wolf_shrinkage((centred / size).numpy(), assume_centered=True))
    plain = centred.T @ centred / len(centred)
    return (1 - share) * plain + max(share, 1e-6) * size.square().diag()
