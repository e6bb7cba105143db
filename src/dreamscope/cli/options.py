"""Options that several commands share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli.output import waiting
from dreamscope.dreaming.presets import PRESETS
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.models.classifier import Classifier

_MODEL_HELP = (
    "efficientnet_lite0, oxford_vgg19, a torchvision name, timm:NAME, or path/file.py:function; "
    "several make an ensemble."
)

_OWN = "own"
"""What ``--weights`` takes for the weights that belong to a model."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option("--device", metavar="D", help="cpu, cuda, mps, or auto for the fastest.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of all random numbers.")]
Image = Annotated[str | None, typer.Argument(metavar="[IMAGE]", help="A photo, sample:china or sample:flower.")]

PICTURES = ".png, .jpg or .webp"
PHOTO_OR_PATTERN = (
    "A photo, sample:china, sample:flower, noise, clouds, black, gray, white or a colour (#336699, navy)."
)
PRECISIONS = "auto (measured), float32, bfloat16, float16 or mixed (bfloat16 in most convolutions)"

# What follows may also come from a recipe, or be a technique's own default: not given, it is None.
OptionalSeed = Annotated[int | None, typer.Option(metavar="N", help="Seed of all random numbers; 0 if not given.")]
Addresses = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="What to dream of: [WEIGHT*]LAYER[:CHANNELS][@ROW,COL]; may be repeated."),
]
Loss = Annotated[
    str | None, typer.Option(metavar="L", help="What is maximized at an address: norm, mean_square, mean or gram.")
]
DirectionsFile = Annotated[
    str | None,
    typer.Option(
        "--directions",
        metavar="FILE",
        help="Erased directions: a .json report of blind, or the .safetensors that it exported.",
    ),
]
DreamRate = Annotated[
    float | None,
    typer.Option(
        metavar="R",
        help="Mean change of a colour (0 to 1) in a step. Without a filter (--preset plain) the gradient's factor: "
        "steps are absolute then, and a common factor of all weights counts.",
    ),
]
Balance = Annotated[
    bool | None,
    typer.Option(
        "--balance/--no-balance",
        help="Let the weights of several layers count equally, whatever the scale of each one's numbers.",
        show_default=False,
    ),
]
StepLength = Annotated[float | None, typer.Option(metavar="R", help="Length of a step.")]
Octaves = Annotated[int | None, typer.Option(metavar="N", help="Number of sizes of the picture, from small to full.")]
Precision = Annotated[str | None, typer.Option(metavar="P", help=f"{PRECISIONS}.")]
DreamPreset = Annotated[str, typer.Option(metavar="P", help=f"{', '.join(PRESETS)}.")]


def out_option(text: str) -> Any:
    """Return the option of where the result goes."""
    return typer.Option("-o", "--out", metavar="OUT", help=text)


def size_option(default: str) -> Any:
    """Return the option of a picture's size; `default` names the size without it."""
    return typer.Option(metavar="PX", help=f"The longer side, or WIDTHxHEIGHT; {default} if not given.")


_OPTIONS: dict[str, Any] = {
    "weights": Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help=".safetensors or .pth in place of the model's own; none for an untrained model. With several models "
            "one for each, own for its own.",
        ),
    ],
    "labels": Annotated[str | None, typer.Option(metavar="FILE", help="Class names: one per line, or JSON.")],
    "mean": Annotated[str | None, typer.Option(metavar="R,G,B", help="Normalization mean, for colours in [0, 1].")],
    "std": Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Normalization standard deviation, for colours in [0, 1].")
    ],
    "input_size": Annotated[
        str | None, typer.Option(metavar="PX", help="The size the model was trained on: PX or HEIGHTxWIDTH.")
    ],
}


def with_model(*, argument: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace a command's parameter ``loader`` by the options that name a model, and pass it a `Loader`.

    ``loader()`` loads that model when the command is ready to wait for it. With
    `argument`, the model's name is positional.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        name: Any = (
            Annotated[list[str] | None, typer.Argument(metavar="[MODEL ...]", help=_MODEL_HELP)]
            if argument
            else Annotated[list[str] | None, typer.Option("--model", "-m", metavar="M", help=_MODEL_HELP)]
        )
        added = {"model": name, **_OPTIONS, "device": Device}
        defaults = {"device": "cpu"}
        own = dict(inspect.signature(command, eval_str=True).parameters)
        del own["loader"]
        parameters = list(own.values()) + [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(key), annotation=kind)
            for key, kind in added.items()
        ]

        @wraps(command)
        def wrapper(**values: Any) -> Any:
            given = {key: values.pop(key) for key in added}
            waiting.begins(f"loading {' and '.join(given['model'] or ['the network'])}")
            return command(loader=Loader(given), **values)

        parameters.sort(key=lambda parameter: parameter.kind)
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return decorate


class Loader:
    """Loads the model that the options name, or the ensemble of those that they name."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.device = given.pop("device") or "cpu"
        self._names: list[str] = given.pop("model") or []
        self._weights: list[str] = given.pop("weights") or []
        self._chosen: dict[str, str] = {key: value for key, value in given.items() if value is not None}

    def __call__(self) -> Classifier:
        """Load the model, or the default one if none was named."""
        if len(self._names) > 1:
            return self._ensemble()
        return self._loaded(**self._arguments())

    def named(self, name: str) -> Classifier:
        """Load a model of that name, with the settings of the other options."""
        return self._loaded(**{**self._arguments(), "name": name})

    def like(self, source: Mapping[str, Any], *, near: str) -> Classifier:
        """Load the model that the options name, or else the one of the recipe in the file `near`."""
        return self() if self._names else self.again(source, near=near)

    def again(self, source: Mapping[str, Any], *, near: str) -> Classifier:
        """Load the model of the recipe in the file `near`, with the settings of the options in place of its own."""
        from dreamscope.models.registry import load_again

        if len(self._names) > 1:
            return self._ensemble()
        return _there(load_again(source, near, device=self.device, **self._arguments()))

    def _loaded(self, **arguments: Any) -> Classifier:
        from dreamscope.models.registry import load

        return _there(load(**arguments, device=self.device))

    def _ensemble(self) -> Classifier:
        from dreamscope.models.ensemble import ensemble
        from dreamscope.models.registry import load

        weights = self._weights or [_OWN] * len(self._names)
        if len(weights) != len(self._names):
            raise DreamscopeError(
                f"{len(self._names)} models take as many --weights, not {len(weights)}; "
                f"--weights {_OWN} for a model's own"
            )
        for option in self._chosen:
            raise DreamscopeError(f"--{option.replace('_', '-')} is of one model; give one --model")
        pairs = zip(self._names, weights, strict=True)
        return _there(ensemble([load(name, weights=_file(weight), device=self.device) for name, weight in pairs]))

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = dict(self._chosen)
        if self._names:
            arguments["name"] = self._names[0]
        if len(self._weights) > 1:
            raise DreamscopeError(f"one model takes one --weights, not {len(self._weights)}")
        if self._weights:
            arguments["weights"] = _file(self._weights[0])
        for key in ("mean", "std"):
            if key in arguments:
                arguments[key] = _numbers(arguments[key], f"--{key}", count=3)
        if "input_size" in arguments:
            sides = [int(n) for n in _numbers(arguments["input_size"].replace("x", ","), "--input-size", whole=True)]
            arguments["input_size"] = (sides[0], sides[-1])
        return arguments


def _there(model: Classifier) -> Classifier:
    """Return a model that need not be waited for any more."""
    waiting.ends()
    return model


def _file(weights: str) -> str | None:
    return None if weights == _OWN else weights


def _numbers(text: str, option: str, *, count: int | None = None, whole: bool = False) -> list[float]:
    try:
        values = [int(part) if whole else float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or (count is not None and len(values) != count):
        expected = f"{count} numbers separated by commas" if count else "PX or HEIGHTxWIDTH"
        raise DreamscopeError(f"{option} takes {expected}, not '{text}'")
    return values


def seconds(text: str) -> float:
    """Return a time such as ``90s``, ``5min`` or ``1h`` in seconds; a plain number is seconds."""
    units = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|)\s*", text)
    if match is None or not float(match[1]):
        raise DreamscopeError(f"'{text}' is no time; write it as 90s, 5min or 1h")
    return float(match[1]) * units[match[2]]
