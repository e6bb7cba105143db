"""What people who mean harm, or whose machines do, may send."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from studios import Running, serve
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from dreamscope import images
from dreamscope.models.classifier import Classifier
from dreamscope.studio.connection import MOST_MISTAKES
from dreamscope.studio.jobs import MOST_OF_ONE_VISIT
from dreamscope.studio.pictures import MOST_BYTES

LONG = {
    "job": 1,
    "do": "dream",
    "picture": "sample:china",
    "steps": 400,
    "octaves": 1,
    "size": 512,
    "preset": "classic",
}


@pytest.fixture
def running(vgg: Classifier) -> Iterator[Running]:
    yield from serve(vgg, grace=0.2)


class Visitor:
    """Somebody with a cookie."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.client = httpx.Client(base_url=running.address, headers={"origin": running.address})
        assert self.client.get("/dream").status_code == 200

    def bring(self, body: bytes, name: str = "photo.png") -> httpx.Response:
        return self.client.post("/pictures", content=body, headers={"x-name": name})

    def socket(self, **options: Any) -> ClientConnection:
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        address = self.running.address.replace("http", "ws")
        return connect(
            f"{address}/socket", origin=self.running.address, additional_headers={"cookie": cookies}, **options
        )


@pytest.fixture
def visitor(running: Running) -> Visitor:
    return Visitor(running)


def heard(socket: ClientConnection, event: str) -> dict[str, Any]:
    """Wait for an event, whatever comes before it."""
    while True:
        message = socket.recv(timeout=30)
        if isinstance(message, str) and (found := json.loads(message))["event"] == event:
            return found


def idle(running: Running) -> bool:
    """Wait until no job is left."""
    for _ in range(200):
        if not any(line.jobs for line in running.studio.lines.values()):
            return True
        time.sleep(0.05)
    return False


def bomb() -> bytes:
    """A PNG of a few bytes that says that it has 400 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def scan_bomb() -> bytes:
    """A DICOM file of a few bytes that says that it has 81 megapixels."""

    def element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
        return struct.pack("<HH2sH", group, number, kind, len(value)) + value

    side = struct.pack("<H", 9000)
    syntax = element(0x0002, 0x0010, b"UI", b"1.2.840.10008.1.2.1\0")
    return bytes(128) + b"DICM" + syntax + element(0x0028, 0x0010, b"US", side) + element(0x0028, 0x0011, b"US", side)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"0" * (MOST_BYTES + 1), 413, "over 32 MB"),
        (bomb(), 400, "over 24 megapixels"),
        (scan_bomb(), 400, "over 24 megapixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 400, "photo.png"),
        (b"<!DOCTYPE html><script>alert(1)</script>", 400, "photo.png"),
        (b"", 400, "empty"),
    ],
    ids=["oversize", "bomb", "scan", "svg", "html", "nothing"],
)
def test_what_is_no_picture_is_refused_and_not_kept(visitor: Visitor, body: bytes, status: int, message: str) -> None:
    answer = visitor.bring(body)
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert "/tmp" not in answer.text
    (visit,) = visitor.running.studio.visits.all
    assert list(visit.folder.iterdir()) == []


def test_an_upload_that_hides_its_length_is_cut_off(visitor: Visitor) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(MOST_BYTES // 2**20 + 2):
            yield b"0" * 2**20

    answer = visitor.client.post("/pictures", content=parts())
    assert answer.status_code == 413


def test_names_are_made_harmless(visitor: Visitor) -> None:
    picture = images.png(images.at_most(images.read("sample:china"), 32))
    answer = visitor.bring(picture, "../../../etc/pass wd<script>.PNG")
    assert answer.json()["title"] == "pass-wd-script.PNG"
    shown = visitor.client.get(f"/pictures/{answer.json()['name']}")
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../etc/passwd", "sample:../china", "sample:etc", "file:///etc/passwd", 7, None]
)
def test_no_path_is_a_picture(visitor: Visitor, path: object) -> None:
    with visitor.socket() as socket:
        socket.send(json.dumps({**LONG, "picture": path}))
        assert "no such picture" in heard(socket, "failed")["message"]
    assert visitor.client.get("/pictures/..%2f..%2fetc%2fpasswd").status_code in (400, 404)
    assert visitor.client.get("/static/..%2fapp.py").status_code == 404


def test_pictures_of_others_are_not_there(running: Running, visitor: Visitor) -> None:
    name = visitor.bring(images.png(images.at_most(images.read("sample:china"), 32))).json()["name"]
    assert visitor.client.get(f"/pictures/{name}").status_code == 200
    other = Visitor(running)
    assert other.client.get(f"/pictures/{name}").status_code == 400
    assert other.client.get(f"/files/{name}").status_code == 400
    assert other.client.get("/kept").json() == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", ""]
)
def test_other_names_are_refused_also_by_rebinding(running: Running, host: str) -> None:
    answer = httpx.get(f"{running.address}/dream", headers={"host": host})
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", None])
def test_other_pages_can_neither_post_nor_connect(visitor: Visitor, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    cookies = dict(visitor.client.cookies)
    assert (
        httpx.post(f"{visitor.running.address}/pictures", content=b"0", headers=headers, cookies=cookies).status_code
        == 403
    )
    address = visitor.running.address.replace("http", "ws")
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    with (
        pytest.raises(Exception, match=r"403|1008"),
        connect(f"{address}/socket", origin=origin, additional_headers={"cookie": cookie}) as socket,
    ):
        socket.recv(timeout=5)


def test_a_hundred_jobs_are_not_a_hundred_jobs(visitor: Visitor) -> None:
    with visitor.socket() as socket:
        for number in range(1, 101):
            socket.send(json.dumps({**LONG, "job": number}))
        refused = [heard(socket, "failed")["message"] for _ in range(100 - MOST_OF_ONE_VISIT)]
        assert all("let one end" in message for message in refused)
        assert len(visitor.running.studio.lines["long"].jobs) <= MOST_OF_ONE_VISIT
    assert idle(visitor.running)


def test_a_socket_that_drops_ends_its_job_and_the_visit_its_files(visitor: Visitor) -> None:
    visitor.bring(images.png(images.at_most(images.read("sample:china"), 32)))
    (visit,) = visitor.running.studio.visits.all
    with visitor.socket() as socket:
        socket.send(json.dumps(LONG))
        heard(socket, "progress")
        # As when a machine is switched off: nothing is said.
        socket.socket.close()
    assert idle(visitor.running)
    for _ in range(100):
        if not visit.folder.exists():
            break
        time.sleep(0.05)
    assert not visit.folder.exists()


GARBAGE: dict[str, str | bytes] = {
    **{"nothing": "", "half": "{", "list": "[]", "number": "7", "text for a number": '{"job": "x"}'},
    **{"below 0": '{"job": -1}', "true": '{"job": true}', "deep": "[" * 100_000, "bytes": b"\xff", "no bytes": b""},
}


def until_closed(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=10)


def flooded(socket: ClientConnection) -> None:
    # It may be closed while it is still being sent.
    socket.send("x" * (5 * 2**20))
    until_closed(socket)


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_closes_the_connection_in_the_end(visitor: Visitor, kind: str) -> None:
    with visitor.socket() as socket:
        for _ in range(MOST_MISTAKES):
            socket.send(GARBAGE[kind])
        with pytest.raises(ConnectionClosed):
            until_closed(socket)
    assert visitor.client.get("/dream").status_code == 200


def test_a_huge_message_closes_it_at_once(visitor: Visitor) -> None:
    with visitor.socket() as socket, pytest.raises(ConnectionClosed):
        flooded(socket)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("size", 100_000, "size lies between"),
        ("size", "512", "size is a number"),
        ("steps", 1e999, "steps is a number"),
        ("at", ["features.0"] * 99, "at is a list of at most"),
        ("at", ["no.such"], "no layer 'no.such'"),
        ("at", "features.0", "at is a list"),
        ("preset", "../x", "no preset"),
        ("keep_color", "yes", "true or false"),
    ],
)
def test_values_out_of_bounds_are_told(visitor: Visitor, name: str, value: object, message: str) -> None:
    with visitor.socket() as socket:
        socket.send(json.dumps({**LONG, name: value}))
        assert message in heard(socket, "failed")["message"]


def test_of_a_slow_reader_only_the_newest_picture_waits(visitor: Visitor) -> None:
    with visitor.socket(max_queue=1) as socket:
        socket.send(json.dumps({**LONG, "steps": 60, "size": 256}))
        time.sleep(3)
        # It has long been done for the others; then what waited comes, and the end.
        other = Visitor(visitor.running)
        with other.socket() as quick:
            quick.send(json.dumps({**LONG, "steps": 1, "size": 64}))
            heard(quick, "done")
        frames = 0
        while True:
            message = socket.recv(timeout=30)
            if isinstance(message, bytes):
                frames += 1
            elif json.loads(message)["event"] == "done":
                break
        assert frames <= 60
    assert idle(visitor.running)
