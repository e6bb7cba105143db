"""An option of a command and the parameter of its technique have one name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import click
import pytest
from typer.main import get_command

import dreamscope
from dreamscope.cli.app import application
from dreamscope.microscope.build import microscope
from dreamscope.studio.server import studio

# What only a command line needs: which model, where results go, how they are shown.
MODEL = {"model", "weights", "labels", "mean", "std", "input_size", "device"}
FOUND = {"channels", "strongest"}
RESULTS = {
    "out",
    "json",
    "verbose",
    "recipe",
    "film",
    "every",
    "fps",
    "hold",
    "ping_pong",
    "plot",
    "export",
    "index",
    "csv",
}
COMMANDS: dict[str, set[str]] = {
    "dream": FOUND,
    "visualize": {"alpha", *FOUND},
    "invert": set(),
    "fool": set(),
    "activations": {"save_array", *FOUND},
    "exemplars": FOUND,
    # The last two are of `explain_photos`, which takes several photos.
    "explain": {"save_array", "masks", "sort", *FOUND},
    "classify": set(),
    "filters": {"scaling"},
    "map": set(),
    # The last four are of `measure_augmentation`.
    "augment": {"sheet", "measure", "positives", "draws", "layer"},
    "dissect": {"top"},
    "blind": {"channels", "pictures"},
    "zoom": set(),
    "video": set(),
}


def parameters_of(technique: Callable[..., Any]) -> set[str]:
    names = set()
    for name, each in inspect.signature(technique).parameters.items():
        if each.kind is inspect.Parameter.VAR_KEYWORD:
            (keywords,) = get_type_hints(technique)[name].__args__
            names |= set(keywords.__annotations__)
        else:
            names.add(name)
    return names


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_parameters(command: str) -> None:
    known = parameters_of(getattr(dreamscope, command))
    for option in get_command(application()).commands[command].params:
        assert option.name in known | MODEL | RESULTS | COMMANDS[command], option.name
        if isinstance(option, click.Option) and option.name not in ("out", "json"):
            assert f"--{option.name.replace('_', '-')}" in option.opts


def test_options_of_an_atlas_are_parameters() -> None:
    group = get_command(application()).commands["microscope"]
    names = {option.name for option in group.commands["build"].params} - MODEL
    assert names - {"json"} == parameters_of(microscope) - {"model", "callback", "progress"}
    for option in group.commands["build"].params:
        assert f"--{option.name.replace('_', '-')}" in option.opts


def test_options_of_a_studio_are_parameters() -> None:
    names = {option.name for option in get_command(application()).commands["studio"].params} - MODEL
    # Each further name is given by itself.
    assert names - {"browser", "name"} == parameters_of(studio) - {"model", "names", "grace", "ready"}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_parameter_ends_in_an_underscore(command: str) -> None:
    assert not [name for name in parameters_of(getattr(dreamscope, command)) if name.endswith("_")]
