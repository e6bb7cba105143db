from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from nets import Residual, Vgg, seeded
from safetensors.torch import save_file

from dreamscope.errors import DreamscopeError
from dreamscope.models import weights


def test_both_formats_and_common_wrappers(tmp_path: Path) -> None:
    state = seeded(Vgg()).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, tmp_path / "b.pth")
    torch.save({"model": state}, tmp_path / "c.pth")
    for name in ("a.safetensors", "a.pth", "b.pth", "c.pth"):
        read = weights.read(tmp_path / name)
        assert read.keys() == state.keys()
        assert all(torch.equal(read[key], state[key]) for key in state)


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (Path("trapped"), "code ran"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Trap()}, "trap.pth")
    (tmp_path / "pickled.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.pth", "pickled.pth"):
        with pytest.raises(DreamscopeError, match="damaged or holds more than tensors"):
            weights.read(name)
    assert not Path("trapped").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 50])
def test_broken_files(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DreamscopeError, match="weights file"):
        weights.read(tmp_path / name)


@pytest.mark.parametrize("content", [{}, {"a": 1}, [1, 2], 3])
def test_files_without_weights(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(DreamscopeError, match="holds"):
        weights.read(tmp_path / "a.pth")


def test_another_architecture_is_told(tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match=r"do not fit Vgg: 6 missing .* unexpected"):
        weights.fit(Vgg(), Residual().state_dict(), name="Vgg", source="residual.pth")
    state = Vgg().state_dict()
    state["features.0.weight"] = torch.zeros(8, 3, 5, 5)
    with pytest.raises(DreamscopeError, match=r"another shape \(first: features.0.weight, \(8, 3, 5, 5\) in the file"):
        weights.fit(Vgg(), state, name="Vgg", source="x.pth")


def test_class_count() -> None:
    state = Vgg().state_dict()
    assert weights.class_count(Vgg(), state) is None
    state["classifier.weight"] = torch.zeros(7, 12)
    state["classifier.bias"] = torch.zeros(7)
    assert weights.class_count(Vgg(), state) == 7
    state["features.0.weight"] = torch.zeros(9, 3, 3, 3)
    assert weights.class_count(Vgg(), state) is None
