from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from nets import Residual, Vgg, hooks_on, seeded
from torch import nn

from dreamscope import images, photos
from dreamscope.dissection import what_if
from dreamscope.dissection.what_if import WhatIf
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.edits import Ablation
from dreamscope.models.wrapping import wrap
from dreamscope.photos import Photo, Stream

LABELS = list("abcde")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Photo]:
    """40 pictures, which are more than a batch."""
    generator = torch.Generator().manual_seed(0)
    for number in range(40):
        images.write(torch.rand((1, 3, 32, 32), generator=generator), tmp_path / f"{number:02}.png")
    return photos.find(tmp_path)


@pytest.fixture(
    params=[
        (Vgg, ["features.1", "features.4", "features.5"]),
        (Residual, ["layer1.0", "layer1.1.bn1", "layer1.1"]),
        # Only a whole pass will do.
        (Vgg, ["features"]),
    ]
)
def case(request: pytest.FixtureRequest) -> tuple[Classifier, list[str]]:
    make, layers = request.param
    torch.manual_seed(0)
    return wrap(seeded(make()) if make is Vgg else make(), input_size=32, labels=LABELS), layers


def expected(model: Classifier, pictures: list[Photo]) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model.logits(found) for _, found in Stream(pictures, model)]).softmax(1)[:, 2]


def of_class(found: list) -> torch.Tensor:
    return torch.tensor([each.of_class for each in found])


def same(asked: WhatIf, model: Classifier, pictures: list[Photo], edits: list[Ablation]) -> bool:
    return torch.allclose(of_class(asked.predictions(edits)), expected(model.edited(edits), pictures), atol=1e-5)


def test_the_same_as_whole_passes(case: tuple[Classifier, list[str]], pictures: list[Photo]) -> None:
    model, layers = case
    asked = WhatIf(model, pictures, layers, class_index=2)
    assert torch.allclose(of_class(asked.intact), expected(model, pictures), atol=1e-5)
    assert asked.predictions() == asked.intact
    early, late = Ablation(f"{layers[0]}:0-3"), Ablation(f"{layers[-1]}:1,2")
    # To and fro, so that what was kept of one is asked for with another.
    for edits in ([early], [early, late], [late], [early, late], [Ablation(f"{layers[0]}:4"), late], [early], [late]):
        assert same(asked, model, pictures, edits)
    assert torch.allclose(of_class(asked.predictions()), expected(model, pictures), atol=1e-5)
    assert hooks_on(model.module) == 0


def test_only_the_last_part_runs(vgg: Classifier, pictures: list[Photo], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    real = nn.Conv2d.forward

    def counted(self: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        ran.append(f"{self.in_channels}")
        return real(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", counted)
    asked = WhatIf(vgg, pictures, ["features.1", "features.4"], class_index=2)
    early, late, later = Ablation("features.1:0"), Ablation("features.4:0"), Ablation("features.4:0,1")

    def passes(edits: list[Ablation]) -> list[str]:
        ran.clear()
        asked.predictions(edits)
        return sorted(set(ran))

    # Behind the last convolution nothing of it runs; before the first edit neither.
    assert passes([late]) == []
    assert passes([early, late]) == ["8"]
    # With the same edit before it, only what follows the later one.
    assert passes([early, later]) == []
    assert passes([early]) == []
    assert passes([Ablation("features.1:1"), later]) == ["8"]


def test_memory_is_bounded(vgg: Classifier, pictures: list[Photo], monkeypatch: pytest.MonkeyPatch) -> None:
    # Room for 40 maps of 12 x 16 x 16 numbers, not for the 8 x 32 x 32 before.
    monkeypatch.setattr(what_if, "MOST", 40 * 12 * 16 * 16 * 4)
    asked = WhatIf(vgg, pictures, ["features.1", "features.4"], class_index=2)
    assert [start.cut for start in asked._starts] == [None, "features.3"]
    for edits in ([Ablation("features.1:0")], [Ablation("features.1:0"), Ablation("features.4:3")]):
        assert same(asked, vgg, pictures, edits)


def test_planted(planted: Classifier, coloured: Path) -> None:
    given = [photo for name in ("red", "green") for photo in photos.find(coloured / name)]
    asked = WhatIf(planted, given, ["act"], class_index=2)
    answers = [planted.labels[found.top[0]] for found in asked.predictions([Ablation("act:8")])]
    assert [planted.labels[found.top[0]] for found in asked.intact] == ["red"] * 24 + ["green"] * 24
    assert "red" not in answers
    assert answers[24:] == ["green"] * 24


def test_stopped_it_answers_as_before(case: tuple[Classifier, list[str]], pictures: list[Photo]) -> None:
    model, layers = case
    asked = WhatIf(model, pictures, layers, class_index=2)
    edits = [Ablation(f"{layers[0]}:0"), Ablation(f"{layers[-1]}:0")]

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked.predictions(edits, callback=stop)
    assert same(asked, model, pictures, edits)
    heard: list[tuple[str, int, int]] = []
    asked.predictions([edits[0]], callback=lambda *each: heard.append(each))
    assert heard == [("photos", 32, 40), ("photos", 40, 40)]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda asked: asked.predictions([Ablation("features.1:0")]), "'features.1:0' is none of the layers"),
        (lambda asked: asked.predictions([Ablation("features.4:99")]), "99"),
        (lambda asked: asked.predictions(["features.4"]), "is no edit"),
    ],
)
def test_refusals(vgg: Classifier, pictures: list[Photo], ask: Callable[[WhatIf], object], message: str) -> None:
    asked = WhatIf(vgg, pictures, ["features.4"], class_index=2)
    with pytest.raises(DreamscopeError, match=message):
        ask(asked)


def test_what_cannot_be_read(vgg: Classifier, pictures: list[Photo], tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    asked = WhatIf(vgg, [*pictures, Photo(tmp_path / "broken.jpg")], ["features.4"], class_index=2)
    assert len(asked.photos) == len(asked.intact) == 40
    assert list(asked.unreadable) == ["broken.jpg"]
    with pytest.raises(DreamscopeError, match="can be read"):
        WhatIf(vgg, [Photo(tmp_path / "broken.jpg")], ["features.4"], class_index=2)
