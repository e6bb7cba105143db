"""``dream``: a picture in which layers exaggerate what they see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.channel_options import FEW, LOSS, ChannelsFile, model_of, read_channels, strongest_option
from dreamscope.cli.film import Every, FilmOut, Fps, Hold, PingPong, filmed
from dreamscope.cli.options import (
    PHOTO_OR_PATTERN,
    PICTURES,
    Addresses,
    Balance,
    DreamRate,
    Json,
    Loader,
    Loss,
    Octaves,
    OptionalSeed,
    Precision,
    out_option,
    size_option,
    with_model,
)
from dreamscope.cli.replay import RecipeOf, replayed
from dreamscope.dreaming.presets import CLASS_PRESET, DEFAULT_PRESET, PRESETS
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.dreaming.dream import Dream

LARGEST_UNASKED = 1024
"""Photos with a longer side than this are made smaller if --size is not given."""


@with_model()
def dream(
    image: Annotated[str | None, typer.Argument(metavar="[IMAGE]", help=PHOTO_OR_PATTERN)] = None,
    *,
    loader: Loader,
    out: Annotated[str | None, out_option(f"{PICTURES}; NAME-dream.png if not given.")] = None,
    at: Addresses = None,
    class_name: Annotated[
        list[str] | None,
        typer.Option(
            "--class-name",
            "--class",
            metavar="LABEL",
            help="Name or index of a class that is to grow on the picture, instead of --at; may be repeated.",
        ),
    ] = None,
    channels: ChannelsFile = None,
    strongest: Annotated[
        int | None, strongest_option(FEW, note=" The dream is of the sum of their means; --loss changes that.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help=f"{', '.join(PRESETS)}; {CLASS_PRESET} with --class, else {DEFAULT_PRESET}, if not given.",
        ),
    ] = None,
    loss: Loss = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Number of steps on each octave.")] = None,
    rate: DreamRate = None,
    balance: Balance = None,
    octaves: Octaves = None,
    octave_scale: Annotated[
        float | None, typer.Option(metavar="S", help="Ratio of each size to the one before.")
    ] = None,
    jitter: Annotated[int | None, typer.Option(metavar="PX", help="Largest random shift at each step.")] = None,
    filter: Annotated[
        str | None, typer.Option(metavar="F", help="How the gradient is evened out: none, mean, gaussian or laplacian.")
    ] = None,
    natural: Annotated[
        float | None, typer.Option(metavar="0..1", help="How strongly colours change together, as they do in photos.")
    ] = None,
    precision: Precision = None,
    size: Annotated[str | None, size_option(f"the photo's own up to {LARGEST_UNASKED}")] = None,
    guide: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="A picture whose features the dream follows.")
    ] = None,
    mask: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Where to dream: white changes, black stays as it is.")
    ] = None,
    keep_color: Annotated[
        bool | None,
        typer.Option("--keep-color/--no-keep-color", help="Keep the photo's own colours.", show_default=False),
    ] = None,
    seed: OptionalSeed = None,
    recipe: RecipeOf = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="2GB", help="Memory that the dream may use; pictures that need more run in tiles."),
    ] = None,
    film: FilmOut = None,
    every: Every = 1,
    fps: Fps = "24",
    hold: Hold = 1.0,
    ping_pong: PingPong = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Report how the network was run, and why.")] = False,
    json: Json = False,
) -> None:
    """Dream on a picture: let layers or channels exaggerate what they see in it."""
    from dreamscope import files, images
    from dreamscope.optimize.initial_images import is_initial

    if channels is not None and class_name:
        raise DreamscopeError("--channels and --class exclude each other: a dream is of places or of a class")
    found = read_channels(channels, strongest, FEW, at=at)
    if found is not None and recipe is None:
        loss = loss or LOSS
    given, load = replayed(
        "dream",
        recipe,
        loader,
        image=image,
        guide=guide,
        mask=mask,
        at=(at or None) if found is None else found.texts(),
        class_name=class_name or None,
        preset=preset,
        loss=loss,
        steps=steps,
        rate=rate,
        balance=balance,
        octaves=octaves,
        octave_scale=octave_scale,
        jitter=jitter,
        filter=filter,
        natural=natural,
        precision=precision,
        memory=memory,
        size=size,
        keep_color=keep_color,
        seed=seed,
    )
    if "image" not in given:
        raise DreamscopeError("give a picture to dream on, such as sample:china, or --recipe OUT")
    target = Path(out) if out is not None else output.free_name(f"{output.stem_of(given['image'])}-dream", ".png")
    images.ensure_format(target)
    files.ensure_writable(target)
    read = {
        role: output.input_picture(given[role], target)
        for role in ("image", "guide", "mask")
        if role in given and not is_initial(given[role])
    }
    if "size" not in given and "image" in read:
        longer = max(read["image"].shape[-2:])
        if longer > LARGEST_UNASKED:
            given["size"] = LARGEST_UNASKED
            output.note(
                f"The photo's longer side is {longer} pixels; dreaming at {LARGEST_UNASKED} (--size changes that)."
            )

    import torch

    from dreamscope.dreaming import dream as technique

    model = model_of(found, loader, load if recipe is not None else None)
    with (
        output.keeping(lambda result: result.save(target)),
        output.progress("dreaming") as callback,
        filmed(film, every=every, fps=fps, hold=hold, back=ping_pong, callback=callback) as filming,
    ):
        result = technique.dream(model, callback=filming.callback, **given)
        filming.of(result.recipe)
    result.save(target)
    if film is not None:
        output.note(f"filmed: {film}")
    if verbose:
        output.note(f"ran in {result.choice}")
        if result.rates:
            output.note(_in_words(*result.rates))
    if result.values and torch.equal(result.image, result.original):
        output.note(
            "nothing changed: what is dreamt of has no gradient on this picture; begin with noise, or another --at"
        )
    facts = _facts(result, target)
    classes = facts["recipe"]["parameters"]["class_name"]
    if classes:
        facts |= output.taken_for(model, classes, result.original, images.read(target))
    if json:
        output.as_json(facts)
        return
    where = f"{model.name} {' + '.join(map(model.label, classes)) if classes else ' '.join(facts['at'])}"
    print(f"{target}  {facts['size']}  {where}  {facts['steps']} steps  {result.seconds:.1f} s")
    if classes:
        print(output.before_and_after(facts))


def _in_words(rate: float | None) -> str:
    """Describe the rate that was found where none was given."""
    if rate is None:
        return "no rate: there was no gradient to choose it by"
    return f"rate {rate:.4g}, chosen: the first step changes colours by 1.5/255 on average"


def _facts(result: Dream, target: Path) -> dict[str, Any]:
    from dreamscope import images
    from dreamscope.recipes import ensure_recipe

    recipe = ensure_recipe(result.recipe)
    return {
        "file": str(target),
        "size": str(images.size_of(result.image)),
        "at": recipe.parameters["at"],
        "steps": len(result.values),
        "rate": recipe.parameters["rate"],
        "objective": [result.values[0], result.values[-1]] if result.values else [],
        "seconds": round(result.seconds, 3),
        "recipe": recipe.to_dict(),
    }
