from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest
from studios import Running, serve

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.studio import security
from dreamscope.studio.security import Password
from dreamscope.studio.server import studio


@pytest.fixture
def running(vgg: Classifier) -> Iterator[Running]:
    yield from serve(vgg, password="open sesame")


def entered(running: Running, password: str) -> httpx.Client:
    client = httpx.Client(base_url=running.address, headers={"origin": running.address}, follow_redirects=True)
    client.post("/enter", data={"password": password})
    return client


def test_without_the_password_there_is_nothing(running: Running) -> None:
    client = httpx.Client(base_url=running.address, headers={"origin": running.address})
    assert client.get("/dream").headers["location"] == "/enter"
    assert client.post("/pictures", content=b"0").status_code == 400
    assert client.get("/kept").status_code == 400
    wrong = client.post("/enter", data={"password": "open barley"})
    assert wrong.status_code == 403
    assert "That is not the password" in wrong.text


def test_with_it_one_comes_in(running: Running) -> None:
    assert "Drop a photo" in entered(running, "open sesame").get("/dream").text


def test_who_guesses_waits_even_with_the_right_one(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        entered(running, str(number))
    assert "/enter" in str(entered(running, "open sesame").get("/dream").url)
    now = time.monotonic()
    monkeypatch.setattr(security, "time", SimpleNamespace(monotonic=lambda: now + 61))
    assert entered(running, "open sesame").get("/dream").url.path == "/dream"


@pytest.mark.parametrize("given", ["", "x", "open sesam", "open sesame ", "ö"])
def test_only_the_very_password(given: str) -> None:
    assert not Password("open sesame").admits(given)


def test_others_need_a_password_to_be_asked_for() -> None:
    with pytest.raises(DreamscopeError, match=r"on 0\.0\.0\.0 others could come in: give --password"):
        studio(host="0.0.0.0")


def test_pages_load_nothing_from_elsewhere_and_run_no_inline_script(running: Running) -> None:
    headers = entered(running, "open sesame").get("/dream").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["referrer-policy"] == "no-referrer"
