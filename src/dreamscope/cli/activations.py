"""``activations``: what the network sees in one photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.channel_options import SHEETFUL, ChannelsFile, model_of, read_channels, strongest_option
from dreamscope.cli.options import PICTURES, Json, Loader, out_option, with_model

if TYPE_CHECKING:
    from dreamscope.exploration.activations import ChannelActivation


@with_model()
def activations(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="A photo, sample:china or sample:flower.")],
    *,
    loader: Loader,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Layers, or LAYER:CHANNELS for given channels; may be repeated. The network's blocks if not given.",
        ),
    ] = None,
    channels: ChannelsFile = None,
    strongest: Annotated[int | None, strongest_option(SHEETFUL, top=False)] = None,
    top: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Number of channels of each layer; 8 if not given.")
    ] = None,
    out: Annotated[str | None, out_option(f"A sheet: {PICTURES}; NAME-activations.png if not given.")] = None,
    save_array: Annotated[
        str | None, typer.Option("--save-array", metavar="OUT", help="Also write the maps as arrays: NumPy's .npz.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the loudest channels of each layer on a photo: their maps, and their share of the layer's energy."""
    from dreamscope import files, images

    target = Path(out) if out is not None else output.free_name(f"{output.stem_of(photo)}-activations", ".png")
    images.ensure_format(target)
    files.ensure_writable(target)
    if save_array is not None:
        files.ensure_arrays(save_array)
    output.input_picture(photo, target)
    found = read_channels(channels, strongest, SHEETFUL, at=at)
    from dreamscope.exploration.activations import TOP
    from dreamscope.exploration.activations import activations as technique
    from dreamscope.figures import activation_sheets
    from dreamscope.figures.activation_sheets import number

    model = model_of(found, loader)
    seen = technique(model, photo, (at or None) if found is None else found.texts(), top=top or TOP)
    drawn = activation_sheets.drawn(seen, model)
    images.write(drawn, target, note=seen.recipe.to_json() if seen.recipe else None)
    written = [str(target)]
    if save_array is not None:
        written.append(str(seen.save(save_array)))
    if json:
        layers = [{"layer": name, "channels": [_facts(each) for each in some]} for name, some in seen.layers.items()]
        output.as_json({"files": written, "layers": layers})
        return
    for name, some in seen.layers.items():
        if not some:
            output.note(f"{name}: silent")
        elif model.layers[name].calls > 1:
            output.note(f"{name} runs {model.layers[name].calls} times in a pass; this is the last time")
    output.table(
        ["channel", "share", "strength", "peak", "strongest at"],
        [
            [
                str(each.address),
                f"{100 * each.share:.3g}%",
                number(each.strength),
                number(each.peak),
                str(each.strongest),
            ]
            for some in seen.layers.values()
            for each in some
        ],
    )
    print("  ".join(written))


def _facts(found: ChannelActivation) -> dict[str, Any]:
    return {
        "address": str(found.address),
        "share": found.share,
        "strength": found.strength,
        "peak": found.peak,
        "position": found.position,
    }
