from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from dreamscope import files
from dreamscope.models.classifier import Classifier
from dreamscope.studio import store as module
from dreamscope.studio.store import Store


def kept(store: Store, text: str = "a picture", **what: object) -> Path | None:
    return store.keep("picture", ".txt", lambda path: path.write_text(text), **what)


def test_what_was_made_is_found_again(vgg: Classifier) -> None:
    store = Store(vgg)
    assert store.find("picture", ".txt", of="a:0") is None
    path = kept(store, of="a:0")
    assert path is not None
    assert path.parent == files.cache_folder() / "studio"
    assert Store(vgg).find("picture", ".txt", of="a:0") == path
    assert store.find("picture", ".txt", of="a:1") is None
    assert store.find("index", ".txt", of="a:0") is None


def test_other_weights_have_other_files(vgg: Classifier) -> None:
    kept(Store(vgg), of="a:0")
    other = vgg.with_module(vgg.module)
    assert Store(other).find("picture", ".txt", of="a:0") is not None
    with torch.no_grad():
        next(other.module.parameters()).add_(1)
    assert Store(other).find("picture", ".txt", of="a:0") is None


def test_half_a_file_is_none(vgg: Classifier) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    store = Store(vgg)
    with pytest.raises(KeyboardInterrupt):
        store.keep("picture", ".txt", fail, of="a:0")
    assert list(store.folder.iterdir()) == []


def test_a_folder_that_can_not_be_written_only_costs_time(
    vgg: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    assert kept(Store(vgg), of="a:0") is None


def test_the_oldest_goes_first(vgg: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    old, looked_at = kept(Store(vgg), "x" * 60, of="old"), kept(Store(vgg), "x" * 60, of="looked at")
    assert old
    assert looked_at
    for path in (old, looked_at):
        os.utime(path, (1, 1))
    Store(vgg).find("picture", ".txt", of="looked at")
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    kept(Store(vgg), "new", of="new")
    assert looked_at.exists()
    assert not old.exists()
