"""The studio and an atlas: what one of them has made of a channel, the other does not make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from stores import short
from studios import Heard, done, quiet

from dreamscope import images
from dreamscope.engines.base import Here, Work
from dreamscope.errors import DreamscopeError
from dreamscope.microscope import store as storing
from dreamscope.microscope.build import DATA, build
from dreamscope.microscope.items import channel_pictures
from dreamscope.microscope.items.bench import Bench
from dreamscope.microscope.settings import Atlas
from dreamscope.microscope.store import JOURNAL, Store
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import live, look
from dreamscope.studio.atlas import AtlasPictures
from dreamscope.studio.server import studio as serve
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit

KEY = "channel-pictures/act/most/0-8"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    short(monkeypatch.setattr)
    monkeypatch.setattr(storing, "_PATIENCE", 0.1)
    for care in look.CARE.values():
        monkeypatch.setitem(care, "steps", 2)
    monkeypatch.setattr(live, "_PICTURE", {"size": 32, "steps": 2})


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "atlas"


@pytest.fixture
def store(site: Path) -> Callable[[], Store]:
    return lambda: Store(site / DATA)


@pytest.fixture
def atlas(planted: Classifier) -> Atlas:
    """As a build without options has it."""
    return Atlas.of(planted)


@pytest.fixture
def studio(planted: Classifier, site: Path) -> Iterator[Studio]:
    with opened(planted, site) as found:
        yield found
    left = [path.name for path in site.rglob("*") if path.name.startswith(".")]
    assert left == []


@pytest.fixture
def visit(studio: Studio) -> Visit:
    return studio.visits.begin()


@contextmanager
def opened(model: Classifier, site: Path) -> Iterator[Studio]:
    with quiet(model) as studio:
        studio.atlas = AtlasPictures(model, site)
        yield studio


@contextmanager
def nothing_is_made() -> Iterator[None]:
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("made once more")

    with pytest.MonkeyPatch.context() as patch:
        for place in (channel_pictures, look, live):
            patch.setattr(place, "visualize", refused)
        yield


class Listing(Here):
    """Lists the pictures of channels that are made, and with how many steps."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int]] = []

    def run(self, work: Work, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for order, made in super().run(work, items):
            if order.item.kind == channel_pictures.KIND:
                self.made.append((order.item.key, order.item.settings["picture"]["steps"]))
            yield order, made


def looked_at(
    studio: Studio, visit: Visit, at: str = "act:8", heard: Heard | None = None, **more: Any
) -> dict[str, Any]:
    event, facts = done(studio, visit, "look_picture", heard, at=at, **more)
    assert event == "done", facts
    return facts


def tiles(studio: Studio, visit: Visit, at: str) -> dict[str, str]:
    heard = Heard()
    event, facts = done(studio, visit, "look_tiles", heard, at=at, show="noise")
    assert event == "done", facts
    return {
        number: tile for event, facts in heard.events if event == "tiles" for number, tile in facts["tiles"].items()
    }


def test_what_was_looked_at_a_build_keeps(
    studio: Studio, visit: Visit, atlas: Atlas, site: Path, store: Callable[[], Store]
) -> None:
    assert not site.exists()
    heard = Heard()
    looked_at(studio, visit, heard=heard)
    # The channel alone is shown as it grows, and not its neighbours.
    assert heard.frames == 2
    before = store()
    assert list(before) == ["about", KEY]
    built = build(atlas, site, engine=Here(), budget=0)
    assert (built.made, built.kept) == (0, 1)
    assert store()[KEY] == before[KEY]
    # What is left is made, its finer form among it, but not what was there.
    engine = Listing()
    build(atlas, site, engine=engine)
    steps = [steps for key, steps in engine.made if key == KEY]
    assert steps == [channel_pictures.STEPS["fine"][1]]
    assert (site / "layers" / "act" / "8.html").is_file()


def test_it_is_what_a_build_would_have_made(
    studio: Studio, visit: Visit, atlas: Atlas, store: Callable[[], Store]
) -> None:
    looked_at(studio, visit)
    item = next(item for item in channel_pictures.items(atlas, "coarse") if item.key == KEY)
    assert store().digest(KEY) == item.digest(atlas.network, {})
    made = channel_pictures.make(Bench(atlas.model, atlas.layers), item, {})
    assert store().differs(KEY, made) is None


def test_what_a_build_has_made_is_shown(studio: Studio, visit: Visit, atlas: Atlas, site: Path) -> None:
    build(atlas, site, engine=Here())
    journal = (site / DATA / JOURNAL).read_bytes()
    with nothing_is_made():
        known = done(studio, visit, "look_known", at="act:8")[1]["picture"]
        looked_at(studio, visit)
        event, grown = done(studio, visit, "live_picture", at=["act:8"])
        assert event == "done"
        assert set(tiles(studio, visit, "act:0-8")) == {str(channel) for channel in range(9)}
    wanted = images.read(site / DATA / "pictures" / "act" / "8-most.webp")
    for name in (known["name"], grown["name"]):
        assert torch.equal(images.read(visit.find(name).path), wanted)
    assert grown["address"] == "act:8"
    assert (site / DATA / JOURNAL).read_bytes() == journal


def test_what_was_made_here_is_not_made_twice(studio: Studio, visit: Visit, store: Callable[[], Store]) -> None:
    first = tiles(studio, visit, "act:2-3")
    assert set(first) == {"2", "3"}
    with nothing_is_made():
        again = tiles(studio, visit, "act:0-8")
        assert again.items() >= first.items()
        assert done(studio, visit, "look_known", at="act:5")[1]["picture"] is not None
    assert list(store()) == ["about", KEY]


def test_finer_ones_are_its_own(studio: Studio, visit: Visit, site: Path) -> None:
    looked_at(studio, visit, care="fine")
    assert not site.exists()
    assert done(studio, visit, "look_known", at="act:8")[1]["picture"] is None


@pytest.mark.parametrize("at", ["head:1", "act@0,0"])
def test_what_is_not_of_an_atlas_is_made_as_ever(studio: Studio, visit: Visit, site: Path, at: str) -> None:
    event, _ = done(studio, visit, "live_picture", at=[at])
    assert event == "done"
    assert not site.exists()


def test_one_that_is_stopped_is_shown_and_not_added(studio: Studio, visit: Visit, site: Path) -> None:
    assert looked_at(studio, visit, heard=Heard(stop_after=1))["stopped"]
    assert not site.exists()


def test_while_a_build_runs_it_reads_only(
    studio: Studio, visit: Visit, atlas: Atlas, store: Callable[[], Store]
) -> None:
    with store() as building:
        looked_at(studio, visit, "act:1")
        tiles(studio, visit, "act:0-1")
        assert list(building) == list(store()) == []
        # What is added meanwhile is seen.
        bench = Bench(atlas.model, atlas.layers)
        for item in channel_pictures.items(atlas, "coarse"):
            building.add(item.key, item.digest(atlas.network, {}), channel_pictures.make(bench, item, {}))
        with nothing_is_made():
            looked_at(studio, visit, "act:8")


def test_a_build_that_begins_meanwhile_has_the_store(
    studio: Studio, visit: Visit, store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    building, make = store(), channel_pictures.make
    monkeypatch.setattr(channel_pictures, "make", lambda *given: building.__enter__() and make(*given))
    looked_at(studio, visit)
    building.__exit__(None, None, None)
    assert list(store()) == []
    # And afterwards it is added to again.
    monkeypatch.setattr(channel_pictures, "make", make)
    looked_at(studio, visit)
    assert KEY in store()


def test_two_studios_fill_one_atlas(studio: Studio, visit: Visit, planted: Classifier, site: Path) -> None:
    with opened(planted, site) as other:
        looked_at(other, other.visits.begin())
        with nothing_is_made():
            looked_at(studio, visit)


def test_it_goes_on_as_the_atlas_was_begun(planted: Classifier, site: Path, store: Callable[[], Store]) -> None:
    atlas = Atlas.of(planted, ["conv"], side=32, top=3)
    build(atlas, site, engine=Here(), budget=0)
    with opened(planted, site) as studio:
        visit = studio.visits.begin()
        looked_at(studio, visit, "conv:4")
        looked_at(studio, visit, "act:4")
    assert list(store()) == ["about", "channel-pictures/conv/most/0-8"]
    assert build(atlas, site, engine=Here(), budget=0).kept == 1


def test_a_damaged_picture_is_made_again(studio: Studio, visit: Visit, site: Path, store: Callable[[], Store]) -> None:
    looked_at(studio, visit)
    picture = site / DATA / "pictures" / "act" / "8-most.webp"
    picture.write_bytes(picture.read_bytes()[:-20])
    assert done(studio, visit, "look_known", at="act:8")[1]["picture"] is None
    looked_at(studio, visit)
    assert not store().damaged(KEY)


def test_a_silent_channel_says_so(planted: Classifier, site: Path) -> None:
    with torch.no_grad():
        planted.module.conv.weight[6] = 0
        planted.module.conv.bias[6] = -1
    with opened(planted, site) as studio:
        visit = studio.visits.begin()
        assert "nothing that was tried excites it" in looked_at(studio, visit, "act:6")["gray"]
        assert "excites it" in done(studio, visit, "look_known", at="act:6")[1]["picture"]["gray"]
        assert done(studio, visit, "look_known", at="act:0")[1]["picture"]["gray"] == ""


def test_an_atlas_that_can_not_be_written_only_costs_time(
    studio: Studio, visit: Visit, store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise DreamscopeError("can't write: no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", full)
        looked_at(studio, visit)
    assert not studio.atlas.takes("act")
    looked_at(studio, visit, "act:7")
    with nothing_is_made():
        assert done(studio, visit, "look_known", at="act:7")[1]["picture"] is not None
    assert list(store()) == []


def test_an_atlas_of_another_network_is_refused(planted: Classifier, vgg: Classifier, site: Path) -> None:
    build(Atlas.of(vgg), site, engine=Here(), budget=0)
    with pytest.raises(DreamscopeError, match="is an atlas of another network, ") as refused:
        serve(planted, microscope=site)
    assert "\n" not in str(refused.value)
    with torch.no_grad():
        next(vgg.module.parameters()).add_(1)
    with pytest.raises(DreamscopeError, match=f"is an atlas of {vgg.name} with other weights or colours"):
        serve(vgg, microscope=site)


def test_one_that_becomes_another_networks_is_left_alone(
    studio: Studio, visit: Visit, vgg: Classifier, site: Path
) -> None:
    build(Atlas.of(vgg), site, engine=Here(), budget=0)
    journal = (site / DATA / JOURNAL).read_bytes()
    looked_at(studio, visit)
    assert not studio.atlas.takes("act")
    assert studio.atlas.find([Address("act", (8,))]) == {}
    assert (site / DATA / JOURNAL).read_bytes() == journal
