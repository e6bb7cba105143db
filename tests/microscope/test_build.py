from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import content, short

from dreamscope import images
from dreamscope.engines.base import Failure, Here, Work
from dreamscope.microscope import build as building
from dreamscope.microscope.build import DATA, Built, build
from dreamscope.microscope.items import activation_atlas, class_effects
from dreamscope.microscope.items.base import Made
from dreamscope.microscope.items.kinds import Order
from dreamscope.microscope.photo_pass import KEY as PHOTOS
from dreamscope.microscope.photo_statistics import PhotoStatistics
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import Store
from dreamscope.models.classifier import Classifier

RED = 2


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    short(monkeypatch.setattr)


@pytest.fixture
def atlas(planted: Classifier) -> Atlas:
    return Atlas.of(planted, ["conv", "act"], side=32, top=4)


class Counting(Here):
    """Counts what it is given, by kind, and stops as if it were killed after some items."""

    def __init__(self, most: int = 10**6, broken: str = "") -> None:
        self.given: dict[str, int] = {}
        self.most, self.broken = most, broken

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for item, made in super().run(work, items):
            kind = item.item.kind if isinstance(item, Order) else PHOTOS
            self.given[kind] = self.given.get(kind, 0) + 1
            if sum(self.given.values()) > self.most:
                raise KeyboardInterrupt
            yield item, Failure("no reason") if self.broken and kind == self.broken else made


def test_all_of_an_atlas(atlas: Atlas, coloured: Path, tmp_path: Path) -> None:
    engine = Counting()
    built = build(atlas, tmp_path / "site", coloured, engine=engine)
    store = Store(tmp_path / "site" / DATA)
    assert built.failed == {}
    assert built.left == 0
    kinds = {key.partition("/")[0] for key in store}
    assert kinds == {
        *("about", "photos", "exemplars", "photo-views", "channel-pictures", "layer-photo", "layer", "class-effects"),
        *("class-channels", "class-pictures", "wiring", "trust", "class", "activation-atlas"),
    }
    pictures = {name for key in store for name in store[key].files if name.endswith(".webp")}
    assert {f"pictures/act/{channel}-{sign}.webp" for channel in range(9) for sign in ("most", "least")} <= pictures
    assert {f"exemplars/act/{channel}.webp" for channel in range(9)} <= pictures
    assert {f"classes/{index}.webp" for index in range(3)} <= pictures
    assert {"layers/photo.webp", "layers/act-dream.webp", "layers/act-caricature.webp", "atlases/act.webp"} <= pictures
    for name in pictures:
        assert images.read(tmp_path / "site" / DATA / name).shape[1] == 3
    strip = images.read(tmp_path / "site" / DATA / "exemplars/act/8.webp")
    assert strip.shape == (1, 3, 112, 4 * 112)
    # Patches that excite the channel of red are red.
    red, green, blue = strip.mean((0, 2, 3)).tolist()
    assert red > 2 * max(green, blue)


def test_what_channels_are_connected_to(atlas: Atlas, coloured: Path, tmp_path: Path) -> None:
    build(atlas, tmp_path / "site", coloured, engine=Here())
    store = Store(tmp_path / "site" / DATA)
    slopes = store.numbers("class-effects/0-2")["slopes"]
    # The head's weights are the slopes at the activation: 8 for each class's own channel.
    assert np.allclose(slopes[:, 9:], np.pad(8 * np.eye(3), ((0, 0), (6, 0))), atol=1e-4)
    wiring = store.numbers("wiring/act")
    assert wiring["feeds"][:, 0].tolist() == list(range(9))
    assert (wiring["feeds"][:, 1:] == -1).all()
    assert wiring["serves"][8, 0] == RED
    assert wiring["serves_weights"][8, 0] > 0
    assert (wiring["serves"][:6] == -1).all()
    assert "feeds" not in store.numbers("wiring/conv")
    red = store[f"class/{RED}"].facts
    assert red["channels"][0][0] in ("conv:8", "act:8")
    assert len(red["photos"]) == 16
    assert red["blind"]["recognised"] == [16, 0, 16]
    assert red["blind"]["others"] == [48, 48, 48]
    cells = store["activation-atlas/act"].facts["cells"]
    assert sum(cell["count"] for cell in cells) <= 72 * activation_atlas.PATCHES
    assert {cell["class"] for cell in cells} == {0, 1, 2}


def test_trust_compares_with_photos(atlas: Atlas, coloured: Path, tmp_path: Path) -> None:
    build(atlas, tmp_path / "site", coloured, engine=Here())
    store = Store(tmp_path / "site" / DATA)
    found = store.numbers("trust/act")
    photos = PhotoStatistics.of_numbers(store.numbers(PHOTOS))
    assert photos.count == 72
    # Red photos are alike, and other photos are not like them.
    assert found["photos"][8] > found["random"][8] + 0.3
    assert set(found) == {"picture", "photos", "random", "other_path"}


def test_a_second_build_makes_nothing_and_a_changed_setting_what_it_touches(
    atlas: Atlas, coloured: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    build(atlas, site, coloured, engine=Here())
    before = content(site)
    again = Counting()
    built = build(atlas, site, coloured, engine=again)
    assert (again.given, built.made) == ({}, 0)
    assert content(site) == before
    larger = Counting()
    build(replace(atlas, top=5), site, coloured, engine=larger)
    # More exemplars are another pass over the photos, and all that is made from it; the pictures stay.
    assert "channel-pictures" not in larger.given
    assert larger.given["exemplars"] == 2
    # Back again, it is as it was before.
    build(atlas, site, coloured, engine=Here())
    assert content(site) == before


@pytest.mark.parametrize("most", [0, 1, 4, 9, 15, 20])
def test_killed_it_goes_on_to_the_same_end(atlas: Atlas, coloured: Path, tmp_path: Path, most: int) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    everything = Counting()
    build(atlas, whole, coloured, engine=everything)
    stopped = Counting(most)
    with pytest.raises(KeyboardInterrupt):
        build(atlas, part, coloured, engine=stopped)
    rest = Counting()
    build(atlas, part, coloured, engine=rest)
    assert content(part) == content(whole)
    # Nothing twice, but for what was in hand.
    assert sum(rest.given.values()) == sum(everything.given.values()) - most


def test_without_photos_there_are_pictures(atlas: Atlas, tmp_path: Path) -> None:
    build(atlas, tmp_path / "site", engine=Here())
    kinds = {key.partition("/")[0] for key in Store(tmp_path / "site" / DATA)}
    assert kinds == {"about", "channel-pictures", "layer-photo", "layer", "class-pictures"}


def test_time_is_up(atlas: Atlas, coloured: Path, tmp_path: Path) -> None:
    clock = iter(range(10**6))
    engine = Counting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building.time, "monotonic", lambda: float(next(clock)))
        built = build(atlas, tmp_path / "site", coloured, engine=engine, budget=12)
    assert 0 < built.made <= 12
    assert built.left > 0
    assert sum(count for kind, count in engine.given.items() if kind != PHOTOS) <= 12
    assert isinstance(build(atlas, tmp_path / "site", coloured, engine=Here()), Built)


def test_what_fails_is_reported_and_the_rest_is_made(atlas: Atlas, coloured: Path, tmp_path: Path) -> None:
    built = build(atlas, tmp_path / "site", coloured, engine=Counting(broken=class_effects.KIND))
    assert built.failed == {"class-effects/0-2": "no reason"}
    kinds = {key.partition("/")[0] for key in Store(tmp_path / "site" / DATA)}
    assert "class-channels" not in kinds
    assert {"channel-pictures", "exemplars", "wiring"} <= kinds


def test_with_other_layers_pictures_stay_and_all_else_is_of_these(
    atlas: Atlas, planted: Classifier, coloured: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    build(Atlas.of(planted, "act", side=32, top=4), site, coloured, engine=Here())
    before = Store(site / DATA)
    built = build(atlas, site, coloured, engine=Here())
    assert built.failed == {}
    after = Store(site / DATA)
    for key in before:
        if key.partition("/")[0] in ("channel-pictures", "class-pictures", "layer", "exemplars"):
            assert after.digest(key) == before.digest(key), key
    build(atlas, tmp_path / "fresh", coloured, engine=Here())
    assert content(tmp_path / "fresh" / DATA) == content(site / DATA)


def test_what_is_made_once_more_is_the_same(atlas: Atlas, coloured: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    built = build(atlas, site, coloured, engine=Here(), verify=10**6)
    assert built.checked == len(list(Store(site / DATA))) - 2  # not the pass over the photos, nor what it is of
    assert built.differing == {}
    # Another picture, and a number that is a little off.
    with Store(site / DATA) as store:
        picture, numbers = "channel-pictures/act/most/0-8", "wiring/act"
        for key in (picture, numbers):
            entry, values = store[key], dict(store.numbers(key))
            pictures = {
                name.removesuffix(".webp"): (site / DATA / name).read_bytes()
                for name in entry.files
                if name.endswith(".webp")
            }
            if key == picture:
                pictures["pictures/act/3-most"] = (site / DATA / "classes" / "0.webp").read_bytes()
            else:
                values["serves_weights"] = values["serves_weights"] * np.float32(1.0001)
            store.add(key, entry.digest, Made(values, pictures, entry.facts))
    built = build(atlas, site, coloured, engine=Here(), verify=10**6)
    # Whoever saw the other picture trusts it otherwise.
    assert set(built.differing) == {picture, numbers, "trust/act"}
    assert built.differing[picture] in (
        "another picture: pictures/act/3-most",
        "a picture of another size: pictures/act/3-most",
    )
    assert built.differing[numbers] == "other numbers: serves_weights"
