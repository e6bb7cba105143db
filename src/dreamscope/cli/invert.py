"""``invert``: a picture from what a layer kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.film import Every, FilmOut, Fps, Hold, PingPong, filmed
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.cli.replay import RecipeOf, replayed
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.visualization.invert import Inversion
from dreamscope.cli.options import Image


@with_model()
def invert(
    image: Image = None,
    *,
    loader: Loader,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="Where; several give a strip, in the order given. May be repeated."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", metavar="OUT", help=".png, .jpg or .webp; NAME-inverted.png if not given."),
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="How often, for each layer; 400 if not given.")] = None,
    start: Annotated[str | None, typer.Option(metavar="S", help="noise or gray; noise if not given.")] = None,
    param: Annotated[
        str | None, typer.Option(metavar="P", help="fourier, pixel or maco; fourier if not given.")
    ] = None,
    rate: Annotated[float | None, typer.Option(metavar="R", help="How far each step goes.")] = None,
    smooth: Annotated[
        float | None, typer.Option(metavar="W", help="Weight of the total variation; 0.05 if not given.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="PX", help="The longer side, or WIDTHxHEIGHT; as the network was tested.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of all randomness; 0 if not given.")] = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="P", help="auto (measured), float32, bfloat16 or float16; float32 if not given."),
    ] = None,
    recipe: RecipeOf = None,
    film: FilmOut = None,
    every: Every = 1,
    fps: Fps = "24",
    hold: Hold = 1.0,
    ping_pong: PingPong = False,
    json: Json = False,
) -> None:
    """Make a picture again from its activations: what is left of it at a layer."""
    from dreamscope import files, images

    given, load = replayed(
        "invert",
        recipe,
        loader,
        image=image,
        at=at or None,
        steps=steps,
        start=start,
        param=param,
        rate=rate,
        smooth=smooth,
        size=size,
        seed=seed,
        precision=precision,
    )
    if "image" not in given:
        raise DreamscopeError("give a picture to invert, such as sample:china, or --recipe OUT")
    target = Path(out) if out is not None else output.free_name(f"{output.stem_of(given['image'])}-inverted", ".png")
    images.ensure_format(target)
    files.ensure_writable(target)
    output.input_picture(given["image"], target)
    model = load()
    from dreamscope.visualization import invert as technique

    with (
        output.keeping(lambda found: _strip(found, target)),
        output.progress("inverting") as report,
        filmed(film, every=every, fps=fps, hold=hold, back=ping_pong, report=report) as filming,
    ):
        found = technique.invert(model, report=filming.report, **given)
        filming.of(found[0].recipe)
    _strip(found, target)
    if json:
        rows = [
            {"at": str(each.address), "error": each.error, "steps": len(each.values), "seconds": round(each.seconds, 3)}
            for each in found
        ]
        output.as_json({"file": str(target), "layers": rows})
        return
    output.table(["layer", "error", "seconds"], [[str(e.address), f"{e.error:.4f}", f"{e.seconds:.1f}"] for e in found])
    print(target)


def _strip(found: list[Inversion], target: Path) -> Path:
    """Write the picture of one layer, or the original and those of several side by side."""
    from dreamscope import images
    from dreamscope.figures.contact_sheets import Cell, sheet

    if len(found) == 1:
        return found[0].save(target)
    cells = [Cell(found[0].original, "original")]
    cells += [Cell(each.image, str(each.address), f"error {each.error:.4f}") for each in found]
    return images.write(sheet(cells, columns=len(cells)), target, note=found[0].recipe.to_json())
