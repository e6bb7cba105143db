from __future__ import annotations

import io
import json
import struct
import urllib.request
from collections.abc import Iterator
from typing import Any

import colours
import pytest
from nets import Planted
from PIL import Image
from studios import serve
from websockets.sync.client import ClientConnection, connect

from dreamscope.models.wrapping import wrap


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    for running in serve(wrap(Planted(), input_size=16, labels=list(colours.COLOURS))):
        yield running.address


@pytest.fixture
def socket(address: str) -> Iterator[ClientConnection]:
    with urllib.request.urlopen(f"{address}/live") as page:
        cookie = page.headers["set-cookie"].split(";")[0]
    origin: Any = address
    url = f"ws://{address.removeprefix('http://')}/socket"
    with connect(url, additional_headers={"Cookie": cookie}, origin=origin) as made:
        yield made


def begun(socket: ClientConnection, number: int, **values: Any) -> None:
    socket.send(json.dumps({"job": number, "do": "live", "layer": "act", **values}))


def sent(socket: ClientConnection, number: int, colour: tuple[int, int, int] = (180, 25, 25)) -> None:
    memory = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(memory, "JPEG")
    socket.send(struct.pack(">I", number) + memory.getvalue())


def heard(socket: ClientConnection) -> list[Any]:
    """Return what comes, to the end of a job."""
    found: list[Any] = []
    while not found or isinstance(found[-1], bytes) or found[-1]["event"] not in ("done", "failed", "stopped"):
        message = socket.recv(timeout=30)
        found.append(message if isinstance(message, bytes) else json.loads(message))
    return found


def test_bytes_come_before_the_end_and_under_the_number_of_their_stream(socket: ClientConnection) -> None:
    begun(socket, 7)
    for colour, label in (((180, 25, 25), "red"), ((25, 25, 180), "blue")):
        sent(socket, 7, colour)
        *_, body, told = heard(socket)
        assert body[:4] == struct.pack(">I", 7)
        assert len(body) == 4 + 9 * 16 * 16
        assert told["job"] == 7
        assert told["answers"][0]["label"] == label


def test_what_is_asked_for_changes_with_the_next_frame(socket: ClientConnection) -> None:
    begun(socket, 1)
    sent(socket, 1)
    assert heard(socket)[-1]["answers"][0]["label"] == "red"
    begun(socket, 1, off=["act:8"])
    sent(socket, 1)
    assert heard(socket)[-1]["answers"][0]["label"] != "red"


def test_a_frame_that_is_none_fails_and_the_next_is_answered(socket: ClientConnection) -> None:
    begun(socket, 1)
    socket.send(struct.pack(">I", 1) + b"garbage")
    assert "no JPEG" in heard(socket)[-1]["message"]
    sent(socket, 1)
    assert heard(socket)[-1]["event"] == "done"


def test_a_page_has_only_so_many_streams(socket: ClientConnection) -> None:
    for number in range(5):
        begun(socket, number)
    assert "4 streams already" in heard(socket)[-1]["message"]
    socket.send(json.dumps({"job": 0, "stop": True}))
    begun(socket, 4)
    sent(socket, 4)
    assert heard(socket)[-1]["event"] == "done"


def test_many_frames_at_once_are_not_all_answered_but_the_last_is(socket: ClientConnection) -> None:
    begun(socket, 1)
    for _ in range(50):
        sent(socket, 1)
    sent(socket, 1, (25, 180, 25))
    labels = []
    while "green" not in labels:
        told = heard(socket)[-1]
        labels += [each["label"] for each in told.get("answers", [])[:1]]
    assert len(labels) <= 51
