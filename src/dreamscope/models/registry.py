"""The registry: a name -> a classifier."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import sys
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.files import existing_file
from dreamscope.models import devices, downloads
from dreamscope.models import labels as class_names
from dreamscope.models import weights as weight_files
from dreamscope.models.classifier import Classifier
from dreamscope.models.edit_base import Edit
from dreamscope.models.embedded import EMBEDDED
from dreamscope.models.ensemble import ensemble
from dreamscope.models.wrapping import wrap
from dreamscope.recipes import locate, reference

DEFAULT_MODEL = next(iter(EMBEDDED))

# torchvision's own loader sets these when it loads its weights; a file of them needs the same network.
_TORCHVISION_KEYWORDS: Mapping[str, dict[str, Any]] = {
    "googlenet": {"init_weights": False, "transform_input": True, "aux_logits": False},
    "inception_v3": {"init_weights": False, "transform_input": True, "aux_logits": False},
}
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def load(
    name: str = DEFAULT_MODEL,
    *,
    weights: str | Path | None = None,
    labels: str | Path | Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    input_size: int | tuple[int, int] | None = None,
    device: str | None = "cpu",
) -> Classifier:
    """Load a classifier by name.

    Parameters
    ----------
    name
        ``efficientnet_lite0`` or ``oxford_vgg19`` (no network needed), a torchvision classifier
        (``resnet50``), a timm classifier (``timm:NAME``), or ``path/to/file.py:function`` where the
        function returns any ``nn.Module``.
    weights
        A ``.safetensors`` or ``.pth`` file; ``none`` for an untrained network; ``None`` for the trained
        weights that belong to the name.
    labels
        Class names, or a file of them.
    mean, std, input_size
        Instead of what belongs to the name.
    device
        ``cpu``, ``cuda``, ``mps``, or ``auto`` for the fastest there is.

    Raises
    ------
    DreamscopeError
        Unknown name (with the nearest), weights that can't be fetched or do not fit, a user's file that
        fails, no such device.
    """
    where = devices.choose(device)
    if ".py:" in name:
        parts = _from_user_file(name, weights)
    elif name in EMBEDDED:
        parts = _from_embedded(name, weights)
    elif name.startswith("timm:"):
        parts = _from_timm(name, weights)
    else:
        parts = _from_torchvision(name, weights)
    given: dict[str, Any] = {"mean": mean, "std": std, "input_size": input_size}
    given = {key: value for key, value in given.items() if value is not None}
    source: dict[str, Any] = {"name": name, **{k: v if isinstance(v, int) else list(v) for k, v in given.items()}}
    if ".py:" in name:
        path, _, function = name.rpartition(":")
        source["name"] = {"file": reference(path), "function": function}
    if weights is not None:
        source["weights"] = "none" if weights == "none" else reference(weights)
    if isinstance(labels, str | Path):
        parts["labels"] = class_names.read(labels)
        source["labels"] = reference(labels)
    elif labels is not None:
        source["labels"] = parts["labels"] = tuple(labels)
    # What a user's function returns may be in use elsewhere.
    model = wrap(**{**parts, **given, "source": source}, owned=".py:" not in name)
    if name in EMBEDDED and std is None:
        model.normalization = replace(model.normalization, scale=EMBEDDED[name].normalization.scale)
    return model if model.device == where else model.to(where)


def load_again(source: Mapping[str, Any], near: str | Path, *, device: str | None = "cpu", **given: Any) -> Classifier:
    """Load the model of a recipe, finding its files again.

    Parameters
    ----------
    source
        What the recipe says of the model: `Classifier.source`.
    near
        The file that the recipe is in: the weights and labels are looked for beside it, too.
    device
        See `load`.
    given
        Arguments of `load` in place of what the recipe says.

    Raises
    ------
    DreamscopeError
        If the recipe names no model, or a Python file and no `name` is given: code runs only if the user names it; if
        it names several and `given` has weights for one; if a file is not found again; see also `load`.
    """
    arguments = {**source, **given}
    edits = [Edit.from_dict(kept) for kept in arguments.pop("edits", ())]
    members = arguments.pop("models", None)
    if "name" in given:
        members = None
    elif members is None:
        _ensure_no_code(arguments.get("name"), near)
    for role in ("weights", "labels"):
        if role not in given and isinstance(arguments.get(role), Mapping):
            arguments[role] = locate(arguments[role], near, what=f"{role} file", option=f"--{role}")
    if members is None:
        model = load(device=device, **arguments)
    else:
        model = _together(members, near, device=device, **arguments)
    return model.edited(edits) if edits else model


def _together(
    members: Sequence[Mapping[str, Any]],
    near: str | Path,
    *,
    device: str | None,
    name: str = "",  # noqa: ARG001 - that of an ensemble is made of theirs
    weights: Any = None,
    **changes: Any,
) -> Classifier:
    """Return the ensemble of a recipe's networks, with what was changed of the whole."""
    if weights is not None:
        raise DreamscopeError(f"'{near}' names {len(members)} networks; give --model and --weights for each of them")
    if isinstance(changes.get("labels"), str | Path):
        changes["labels"] = class_names.read(changes["labels"])
    return wrap(ensemble([load_again(each, near, device=device) for each in members]), **changes)


def _ensure_no_code(name: Any, near: str | Path) -> None:
    """Raise unless a recipe's `name` of a model is one that runs no file."""
    if name is None:
        raise DreamscopeError("this recipe's model was made in Python, not loaded by name; give it with --model")
    if not isinstance(name, str) or ".py:" in name:
        try:
            named = name if isinstance(name, str) else f"{name['file']['name']}:{name['function']}"
        except (TypeError, KeyError):
            raise DreamscopeError(f"'{near}' names no model that could be loaded; give it with --model") from None
        raise DreamscopeError(
            f"the model of '{near}' is made by the Python file {named}, which runs only if you name it yourself; "
            "give it with --model path/to/file.py:function"
        )


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classifiers."""
    from torchvision import models

    return [str(name) for name in models.list_models(module=models)]


def timm_names() -> list[str]:
    """Return the names of timm's classifiers, as ``timm:NAME``."""
    import timm

    return [f"timm:{name}" for name in timm.list_models()]


def no_network_needed() -> str:
    """Name the models that need no network, for messages."""
    return ", ".join(EMBEDDED)


def _untrained(file: str | Path | None) -> bool:
    return file == "none"


def _from_embedded(name: str, file: str | Path | None) -> dict[str, Any]:
    model = EMBEDDED[name]
    names = class_names.imagenet() if model.classes else ()
    if file is None:
        # Without memory: every number comes from the file.
        with torch.device("meta"):
            module = model.build()
        module.load_state_dict(model.state(module), assign=True)
    else:
        with _fixed_seed():
            module = model.build()
        if not _untrained(file):
            weight_files.fit(module, weight_files.read(file), name=name, source=Path(file).name)
    return {
        "module": module,
        "name": name,
        "labels": names,
        "mean": model.normalization.mean,
        "std": model.normalization.std,
        "crop": model.crop,
        "default_address": model.default_address,
    }


def _from_torchvision(name: str, file: str | Path | None) -> dict[str, Any]:
    from torchvision import models

    names = torchvision_names()
    if name not in names:
        raise DreamscopeError(
            f"no model '{name}'{did_you_mean(name, [*EMBEDDED, *names, *timm_names()]) or '.'} "
            "List them: dreamscope models"
        )
    trained = models.get_model_weights(name).DEFAULT

    def build(**changes: Any) -> nn.Module:
        with _fixed_seed():
            untrained: nn.Module = models.get_model(
                name, weights=None, **_TORCHVISION_KEYWORDS.get(name, {}), **changes
            )
            return untrained

    if file is None:
        target = downloads.folders()["torchvision"] / trained.url.rsplit("/", 1)[-1]
        if not target.is_file() and not downloads.reachable(trained.url):
            raise _unfetchable(name, target.parent)
        try:
            module: nn.Module = models.get_model(name, weights=trained)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise _unfetchable(name, target.parent) from error
    else:
        module = build() if _untrained(file) else _fitted(build, file, name)
    transforms = trained.transforms()
    return {
        "module": module,
        "name": name,
        "labels": _imagenet_if(module, len(trained.meta["categories"])),
        "mean": transforms.mean,
        "std": transforms.std,
        "input_size": transforms.crop_size[0],
        "crop": min(1.0, transforms.crop_size[0] / transforms.resize_size[0]),
    }


def _from_timm(name: str, file: str | Path | None) -> dict[str, Any]:
    import timm
    from timm.data.config import resolve_data_config

    short = name.removeprefix("timm:")
    if not timm.is_model(short):
        raise DreamscopeError(
            f"no model '{name}'{did_you_mean(name, timm_names()) or '.'} List them: dreamscope models"
        )
    config = timm.get_pretrained_cfg(short)
    # Lets vision transformers take pictures of any size, by interpolating their position embeddings.
    free_size: dict[str, Any] = {"dynamic_img_size": True} if config is not None and config.fixed_input_size else {}

    def build(**changes: Any) -> nn.Module:
        try:
            with _fixed_seed():
                return timm.create_model(short, **free_size, **changes)
        except TypeError:
            with _fixed_seed():
                return timm.create_model(short, **changes)

    if file is None:
        folder = downloads.folders()["timm"]
        if config is None or not config.has_weights:
            raise DreamscopeError(f"'{name}' has no trained weights; give --weights FILE, or --weights none")
        if not downloads.cached_by_timm(config.hf_hub_id) and not downloads.reachable(downloads.timm_address()):
            raise _unfetchable(name, folder)
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        try:
            module = build(pretrained=True)
        except (OSError, RuntimeError) as error:
            raise _unfetchable(name, folder) from error
    else:
        module = build() if _untrained(file) else _fitted(build, file, name)
    data = resolve_data_config(model=module)
    return {
        "module": module,
        "name": name,
        "labels": _timm_labels(module),
        "mean": data["mean"],
        "std": data["std"],
        "input_size": tuple(data["input_size"][1:]),
        "crop": data["crop_pct"],
    }


def _timm_labels(module: nn.Module) -> Sequence[str]:
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    count = int(getattr(module, "num_classes", 0))
    if count == 1000:
        return class_names.imagenet()
    subset = infer_imagenet_subset(module)
    return tuple(ImageNetInfo(subset).label_descriptions()) if subset else ()


def _from_user_file(name: str, file: str | Path | None) -> dict[str, Any]:
    path_text, _, function = name.rpartition(":")
    path = existing_file(path_text, "model file").resolve()
    # Two files of one name must not become one module.
    name_of_module = f"dreamscope_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name_of_module, path)
    if spec is None or spec.loader is None:
        raise DreamscopeError(f"model file '{path_text}' is no Python file")
    code = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name_of_module)
    sys.path.insert(0, str(path.parent))
    # As an import does it: dataclasses, typing and pickle look a class's module up by its name.
    sys.modules[name_of_module] = code
    try:
        spec.loader.exec_module(code)
        make = getattr(code, function, None)
        if not callable(make):
            public = [key for key, value in vars(code).items() if callable(value) and not key.startswith("_")]
            raise DreamscopeError(f"no function '{function}' in '{path_text}'{did_you_mean(function, public)}")
        with _fixed_seed():
            module = make()
    except Exception as error:
        if before is None:
            del sys.modules[name_of_module]
        else:
            sys.modules[name_of_module] = before
        if isinstance(error, DreamscopeError):
            raise
        raise DreamscopeError(f"'{name}' failed: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
    if not isinstance(module, nn.Module):
        raise DreamscopeError(f"'{name}' returned {type(module).__name__}, not an nn.Module")
    if file is not None and not _untrained(file):
        weight_files.fit(module, weight_files.read(file), name=function, source=Path(file).name)
    return {"module": module, "name": function}


def _fitted(build: Any, file: str | Path, name: str) -> nn.Module:
    """Build a network for the weights in `file`, with as many classes as they were trained for."""
    state = weight_files.read(file)
    module: nn.Module = build()
    if not any(key.startswith(_AUXILIARY) for key in module.state_dict()):
        state = {key: value for key, value in state.items() if not key.startswith(_AUXILIARY)}
    classes = weight_files.class_count(module, state)
    if classes is not None:
        module = build(num_classes=classes)
    weight_files.fit(module, state, name=name, source=Path(file).name)
    return module


def _imagenet_if(module: nn.Module, count: int) -> Sequence[str]:
    """Return ImageNet's names if the last layer that has a matrix still has as many outputs."""
    sizes = [p.shape[0] for p in module.parameters() if p.dim() > 1]
    names = class_names.imagenet()
    return names if sizes and sizes[-1] == count == len(names) else ()


class _fixed_seed:  # noqa: N801 - reads as a phrase where it is used
    """Untrained weights come out the same every time, and the caller's random state stays as it is."""

    def __enter__(self) -> None:
        self._state = torch.get_rng_state()
        # The CPU's alone: `torch.manual_seed` would seed every device's, too.
        torch.default_generator.manual_seed(0)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self._state)


def _unfetchable(name: str, folder: Path) -> DreamscopeError:
    return DreamscopeError(
        f"the weights of {name} are not on this machine and can't be fetched; they would be in '{folder}'. "
        f"Give --weights FILE, or --weights none for an untrained network; "
        f"models that need no network: {no_network_needed()}"
    )
