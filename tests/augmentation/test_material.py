from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dreamscope.augmentation.aims import layers_at
from dreamscope.augmentation.hallucination import SETTINGS
from dreamscope.augmentation.material import VERSIONS, Dreaming, Pictures
from dreamscope.models.classifier import Classifier
from dreamscope.probes import means, probe

RED, GREEN = range(6), range(6, 12)


@pytest.fixture
def material(planted: Classifier) -> Pictures:
    """Six noisy photos that are red and six that are green."""
    pictures = torch.randint(0, 60, (12, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    # On black, channels 6 and 8 are both silent: some of both colours everywhere.
    pictures[:, :2] += 90
    pictures[:6, 0] += 60
    pictures[6:, 1] += 60
    settings = replace(SETTINGS, steps=4, octaves=1, jitter=0, filter="mean", natural=0.0, precision="float32")
    dreaming = Dreaming("direction", layers_at(planted, "act"), settings, (), "conv", 5)
    with torch.no_grad(), probe(planted, ["act"], keep=means) as seen:
        features = {"act": seen(pictures.float() / 255)["act"]}
    return Pictures(planted, pictures, "act", features, dreaming, 0)


def test_dreams_move_towards_the_positives_and_controls_do_not(material: Pictures) -> None:
    green = material.photos(GREEN)
    for level, before in ((0, 0.0), (2, 0.05)):
        dreams, controls = material.dreamt(RED, GREEN, level)
        assert dreams.shape == controls.shape == (5, 9)
        moved = green[:, 6].mean() - dreams[:, 6].mean()
        assert moved > before
        assert abs(green[:, 6].mean() - controls[:, 6].mean()) < moved


def test_the_same_is_made_again(material: Pictures) -> None:
    first = material.dreamt(RED, GREEN, 1)
    for used in (material._dreams, material._controls):
        used.clear()
    again = material.dreamt(RED, GREEN, 1)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one, other)


def test_standard_augmentations_leave_the_generator_alone(material: Pictures) -> None:
    state = torch.random.get_rng_state()
    found = material.augmented([0, 7], 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert found.shape == (2 * VERSIONS, 9)
    assert len(np.unique(found[:VERSIONS], axis=0)) > VERSIONS // 2
    assert np.array_equal(material.augmented([7], 1), found[VERSIONS:])
