"""What the pages Fool, Invert, Map and Film ask the server for, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import filmed
import pytest
from studios import Heard, done, quiet

from dreamscope import images
from dreamscope.film.reader import Clip
from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import film
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit


@pytest.fixture
def studio(vgg: Classifier) -> Iterator[Studio]:
    with quiet(vgg) as opened:
        yield opened


@pytest.fixture
def visit(studio: Studio) -> Visit:
    return studio.visits.begin()


def brought(visit: Visit, number: int = 0) -> str:
    picture = filmed.photo(32, 48).roll(number, 3)
    return visit.keep(f"{number}.png", lambda path: images.write(picture, path)).name


FILM = {"seconds": 1, "fps": 8, "size": 64, "schedule": ["0s:features.3"], "zoom": ["0s:1.3"]}


def test_a_film_that_is_stopped_is_kept_as_far_as_it_is(studio: Studio, visit: Visit) -> None:
    event, facts = done(studio, visit, "film", Heard(stop_after=4), **FILM, picture=brought(visit))
    assert event == "done"
    assert 0 < facts["frames"] < facts["of"] == 8
    assert facts["stopped"]
    kept = visit.find(facts["name"])
    assert Clip.open(kept.path).count == facts["frames"]
    # And its single frames are not.
    assert list(kept.path.parent.iterdir()) == [kept.path]


def test_a_film_that_takes_too_long_ends_where_it_is(
    studio: Studio, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "MOST_SECONDS", 0.0)
    event, facts = done(studio, visit, "film", **FILM, picture=brought(visit))
    assert (event, facts["frames"], facts["stopped"]) == ("done", 1, False)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"seconds": 60, "fps": 24, "size": 768}, "times as much as one film may take here"),
        ({"seconds": 3600}, "seconds lies between 0.5 and 60"),
        ({"schedule": ["0s:features.3 1s:features.0"]}, "each for itself"),
        ({"schedule": ["0s:feature.3"]}, "did you mean 'features.3'"),
        ({"schedule": ["0s:features.3"] * 99}, "at most 12"),
        ({"zoom": ["0s:1e9"]}, "zoom lies between"),
        ({"picture": "/etc/passwd"}, "no such picture"),
        ({"preset": "../x"}, "no preset"),
    ],
)
def test_a_film_that_is_refused(studio: Studio, visit: Visit, more: dict[str, Any], message: str) -> None:
    event, facts = done(studio, visit, "film", **{**FILM, "picture": brought(visit), **more})
    assert event == "failed"
    assert message in facts["message"]


def test_a_map_holds_only_pictures_of_the_visit(studio: Studio, visit: Visit) -> None:
    names = [brought(visit, number) for number in range(5)]
    event, facts = done(studio, visit, "map", pictures=names, labels=["a", "a", "b", "b", ""], method="pca")
    assert event == "done", facts
    assert [point["large"] for point in facts["points"]] == [f"/pictures/{name}?side=384" for name in names]
    assert [point["label"] for point in facts["points"]] == ["a", "a", "b", "b", None]
    event, kept = done(studio, visit, "map_download", **{"as": "page"})
    assert event == "done"
    assert str(visit.folder) not in visit.find(kept["name"]).path.read_text("utf-8")
    other = studio.visits.begin()
    for what, given, message in (
        ("map", {"pictures": names}, "no such picture"),
        ("map", {"pictures": ["/etc/passwd"] * 5}, "no such picture"),
        ("map", {"pictures": names[:1] * 500}, "at most 400"),
        ("map_download", {"as": "page"}, "no map in this visit"),
    ):
        event, facts = done(studio, other, what, **given)
        assert event == "failed"
        assert message in facts["message"]
    event, facts = done(studio, visit, "map", pictures=names, labels=["a"])
    assert "each picture has a label" in facts["message"]


def test_what_fools_is_measured_on_the_file(studio: Studio, visit: Visit) -> None:
    event, facts = done(studio, visit, "fool", picture=brought(visit), method="pgd", limit=16, norm="linf", size=64)
    assert event == "done", facts
    kept = images.read(visit.find(facts["name"]).path)
    before = images.read(visit.find(facts["original"]).path)
    assert round(float((kept - before).abs().max()) * 255) == facts["largest"] <= 16
    assert facts["amplified"] == pytest.approx(127.5 / facts["largest"], rel=1e-3)
    ((first, *_),) = studio.model.classify(kept)
    assert facts["after"][0]["label"] == first.label


def test_what_is_left_of_a_picture(studio: Studio, visit: Visit) -> None:
    name = brought(visit)
    event, facts = done(studio, visit, "invert_small", picture=name, at=["features.0"])
    assert event == "done", facts
    assert facts["image"].startswith("data:image/")
    event, facts = done(studio, visit, "invert", Heard(stop_after=3), picture=name, at=["features.0"])
    assert event == "done", facts
    assert facts["stopped"]
    assert visit.find(facts["name"]).path.name == "0-at-features.0.png"
    event, facts = done(studio, visit, "invert", picture=name, at=["features.0", "features.3"])
    assert "one layer at a time" in facts["message"]
