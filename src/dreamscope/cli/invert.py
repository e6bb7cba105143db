"""``invert``: a picture made from a layer's activations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.film import Every, FilmOut, Fps, Hold, PingPong, filmed
from dreamscope.cli.options import (
    PICTURES,
    PRECISIONS,
    Image,
    Json,
    Loader,
    OptionalSeed,
    StepLength,
    out_option,
    size_option,
    with_model,
)
from dreamscope.cli.replay import RecipeOf, replayed
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.visualization.invert import Inversion


@with_model()
def invert(
    image: Image = None,
    *,
    loader: Loader,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER", help="Layer to invert; several give a strip, in the order given. May be repeated."
        ),
    ] = None,
    out: Annotated[str | None, out_option(f"{PICTURES}; NAME-inverted.png if not given.")] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Number of steps for each layer; 400 if not given.")
    ] = None,
    initial: Annotated[
        str | None, typer.Option(metavar="I", help="Initial picture: noise or gray; noise if not given.")
    ] = None,
    parameterization: Annotated[
        str | None,
        typer.Option(
            metavar="P", help="Parameterization of the picture: fourier, pixel, maco or gray; fourier if not given."
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="O", help="adam, or normalized (along the gradient divided by its mean size); adam if not given."
        ),
    ] = None,
    rate: StepLength = None,
    penalty: Annotated[
        list[str] | None,
        typer.Option(metavar="R", help="Regularizers beside --smooth: l1:W, l2:W, tv:W, blur:W; may be repeated."),
    ] = None,
    smooth: Annotated[
        float | None, typer.Option(metavar="W", help="Weight of the total variation; 0.05 if not given.")
    ] = None,
    size: Annotated[str | None, size_option("as the network was tested")] = None,
    seed: OptionalSeed = None,
    precision: Annotated[str | None, typer.Option(metavar="P", help=f"{PRECISIONS}; float32 if not given.")] = None,
    recipe: RecipeOf = None,
    film: FilmOut = None,
    every: Every = 1,
    fps: Fps = "24",
    hold: Hold = 1.0,
    ping_pong: PingPong = False,
    json: Json = False,
) -> None:
    """Reconstruct a picture from its activations: what is left of it at a layer."""
    from dreamscope import files, images

    given, load = replayed(
        "invert",
        recipe,
        loader,
        image=image,
        at=at or None,
        steps=steps,
        initial=initial,
        parameterization=parameterization,
        optimizer=optimizer,
        rate=rate,
        penalty=penalty or None,
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
        output.progress("inverting") as callback,
        filmed(film, every=every, fps=fps, hold=hold, back=ping_pong, callback=callback) as filming,
    ):
        found = technique.invert(model, callback=filming.callback, **given)
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
    from dreamscope.recipes import note_of

    if len(found) == 1:
        return found[0].save(target)
    cells = [Cell(found[0].original, "original")]
    cells += [Cell(each.image, str(each.address), f"error {each.error:.4f}") for each in found]
    return images.write(sheet(cells, columns=len(cells)), target, note=note_of(found[0].recipe))
