from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from PIL import Image
from studios import Heard, quiet

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.studio.actions import live
from dreamscope.studio.given import Given
from dreamscope.studio.jobs import Job
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit


@pytest.fixture
def studio(planted: Classifier) -> Iterator[Studio]:
    with quiet(planted) as opened:
        yield opened


def jpeg(colour: tuple[int, int, int], side: int = 16) -> bytes:
    memory = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(memory, "JPEG")
    return memory.getvalue()


RED = jpeg((180, 25, 25))


def sent(studio: Studio, visit: Visit, body: bytes, **values: Any) -> tuple[dict[str, Any], Heard]:
    heard = Heard()
    job = Job(1, visit, heard, lambda _: {})
    return live.run(studio, job, given=Given({"layer": "act", **values}, visit), newest={1: body}), heard


def test_a_frame_gives_all_channels_and_the_answers(studio: Studio) -> None:
    told, heard = sent(studio, studio.visits.begin(), RED, channel=8)
    assert (told["channels"], told["rows"], told["columns"]) == (9, 16, 16)
    (body,) = heard.bodies
    maps = torch.frombuffer(bytearray(body), dtype=torch.uint8).view(9, 16, 16)
    # Nothing of it is green.
    assert (maps[6] == 128).all()
    assert (maps[8] > 128).all()
    assert told["answers"][0]["label"] == told["before"] == "red"
    assert told["answers"][0]["share"] == told["answers"][0]["before"]
    assert told["strongest"]["channel"] == 8
    assert told["strongest"]["value"] > 0


def test_a_channel_that_is_off_changes_the_answer_until_it_is_on_again(studio: Studio) -> None:
    visit = studio.visits.begin()
    on, _ = sent(studio, visit, RED)
    off, _ = sent(studio, visit, RED, off=["act:8", "act:0"])
    assert off["answers"][0]["label"] != "red"
    assert off["before"] == "red"
    red = next(each for each in off["answers"] if each["label"] == "red")
    assert red["share"] < red["before"]
    assert red["before"] == pytest.approx(on["answers"][0]["share"])
    again, _ = sent(studio, visit, RED)
    assert again["answers"] == on["answers"]


def test_the_network_with_channels_off_is_made_once(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    visit, made = studio.visits.begin(), []
    real = live._watch
    monkeypatch.setattr(live, "_watch", lambda *given: made.append(given) or real(*given))
    for _ in range(3):
        sent(studio, visit, RED, off=["act:8"])
    sent(studio, visit, RED, off=["act:8"], channel=2)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layer": "/etc/passwd"}, "layer"),
        ({"off": ["act"]}, "names no channels"),
        ({"off": ["nowhere:3"]}, "no layer"),
        ({"off": "act:8"}, "list"),
        ({"channel": -2}, "channel"),
    ],
)
def test_what_is_no_layer_or_channel_is_refused(studio: Studio, values: dict[str, Any], message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        sent(studio, studio.visits.begin(), RED, **values)


@pytest.mark.parametrize("body", [b"", b"nothing", RED[:200], jpeg((0, 0, 0), 2000), jpeg((0, 0, 0), 4)])
def test_a_frame_that_is_none_is_refused(studio: Studio, body: bytes) -> None:
    with pytest.raises(DreamscopeError):
        sent(studio, studio.visits.begin(), body)


def test_a_png_is_no_frame(studio: Studio) -> None:
    memory = io.BytesIO()
    Image.new("RGB", (16, 16)).save(memory, "PNG")
    with pytest.raises(DreamscopeError, match="no JPEG"):
        sent(studio, studio.visits.begin(), memory.getvalue())


def test_a_frame_that_was_taken_already_is_nothing_to_do(studio: Studio) -> None:
    visit = studio.visits.begin()
    job = Job(1, visit, Heard(), lambda _: {})
    assert live.run(studio, job, given=Given({"layer": "act"}, visit), newest={}) == {}


def test_what_a_channel_saw_is_drawn_of_the_last_frame(studio: Studio) -> None:
    visit = studio.visits.begin()
    job = Job(2, visit, Heard(), lambda _: {})
    given = Given({"at": ["act:8"], "method": "guided"}, visit)
    with pytest.raises(DreamscopeError, match="no frame has come yet"):
        live.trace(studio, job, given=given)
    sent(studio, visit, RED)
    told = live.trace(studio, job, given=given)
    assert told["panels"]
    assert not told["silent"]
    assert all(each["image"].startswith("data:image/") for each in told["panels"])
    # The loud channels are still there when the one that says red is off; it itself sees nothing.
    off = Given({"at": ["act:8"], "off": ["act:8"]}, visit)
    assert live.trace(studio, job, given=off)["silent"]


def test_a_channel_is_grown_from_noise_and_kept(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PICTURE", {"size": 32, "steps": 2})
    visit = studio.visits.begin()
    told = live.picture(studio, Job(3, visit, Heard(), lambda _: {}), given=Given({"at": ["act:8"]}, visit))
    assert told["address"] == "act:8"
    assert visit.find(told["name"]).path.suffix == ".png"
    with pytest.raises(DreamscopeError, match="choose one channel"):
        live.picture(studio, Job(4, visit, Heard(), lambda _: {}), given=Given({"at": []}, visit))
