"""``augment``: photos without a thing, dreamt towards what a few photos with it have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.options import Json, Loader, Octaves, Seed, size_option, with_model
from dreamscope.cli.photo_options import PHOTO_SETS, given_engine, paths
from dreamscope.dreaming.presets import Overrides
from dreamscope.errors import DreamscopeError

WARNING = "Not for diagnosis: what is dreamt is what the network takes for the thing, and nothing that anybody has."


@with_model()
def augment(
    healthy: Annotated[
        list[str],
        typer.Argument(metavar="HEALTHY ...", help=f"Photos without the thing: {PHOTO_SETS}.", show_default=False),
    ],
    *,
    loader: Loader,
    towards: Annotated[
        list[str] | None, typer.Option(metavar="POSITIVES", help="Photos with the thing; may be repeated.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            metavar="SYNTHETIC",
            help="The folder of the pictures: SYNTHETIC/LABEL/*.png and labels.csv; what is there is gone on with.",
        ),
    ] = None,
    aim: Annotated[
        str,
        typer.Option(
            metavar="A",
            help="direction: the difference of mean features. guide: the best matches in one positive, drawn for each "
            "picture. head: the score of a linear head.",
        ),
    ] = "direction",
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="Layers; may be repeated. One at two thirds and the last if not given."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of pictures; one of each photo if not given.")
    ] = None,
    strength: Annotated[
        str,
        typer.Option(
            metavar="S", help="Share of the dream on the photo, 0 to 4, or two, between which it is drawn for each."
        ),
    ] = "0.5,1",
    size: Annotated[str | None, size_option("each photo's own")] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="MASK",
            help="Where pictures may change: a picture, a folder with one for each photo, foreground, or spot (a round "
            "place, drawn for each).",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="K", help="Hold to the photo: pixels:WEIGHT or features:WEIGHT; may be repeated."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", help="What the pictures show; the positives' folder if not given.")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Number of steps on each octave; 12.")] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="R", help="Mean change of a colour (0 to 1) in a step; 0.006.")
    ] = None,
    octaves: Octaves = None,
    seed: Seed = 0,
    engine: Annotated[
        str,
        typer.Option(
            "--engine", metavar="ENGINE", help="local (local:8 for eight processes), ray, ray:HOST:PORT, or here."
        ),
    ] = "local",
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Make no pictures, but measure whether learning from them helps; -o is then a .html or .json.",
        ),
    ] = False,
    positives: Annotated[
        str, typer.Option(metavar="K,...", help="For --measure: how many positives are learnt from.")
    ] = "3,5,10,20,50",
    draws: Annotated[int, typer.Option(metavar="N", min=1, help="For --measure: draws of positives.")] = 20,
    layer: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="For --measure: whose features are learnt from; the one before the logits."),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The sheet of before, after and difference; SYNTHETIC-sheet.png."),
    ] = None,
    json: Json = False,
) -> None:
    """Make pictures of a thing from photos without it. Not for diagnosis."""
    from dreamscope import files, images

    if not towards:
        raise DreamscopeError("give some photos with the thing: --towards FOLDER")
    settings: Overrides = {"steps": steps, "rate": rate, "octaves": octaves}
    if measure:
        _measure(
            loader,
            healthy,
            towards,
            out,
            json=json,
            positives=_whole(positives),
            draws=draws,
            layer=layer,
            aim=aim,
            at=at or None,
            **({} if count is None else {"count": count}),
            keep=keep or (),
            seed=seed,
            engine=given_engine(engine),
            **settings,
        )
        return
    if out is None:
        raise DreamscopeError("give the folder that the pictures go into: -o FOLDER")
    if Path(out).exists() and not Path(out).is_dir():
        raise DreamscopeError(f"can't write pictures into '{out}': it is a file; give a folder")
    page = Path(sheet) if sheet is not None else Path(f"{out.rstrip('/')}-sheet.png")
    images.ensure_format(page)
    files.ensure_writable(page)
    place, strengths = given_engine(engine), _numbers(strength)
    model = loader()
    from dreamscope.augmentation.augment import augment as technique
    from dreamscope.figures.before_after import before_after

    with output.stages() as callback:
        made = technique(
            model,
            paths(healthy),
            paths(towards),
            out,
            aim=aim,
            at=at or None,
            count=count,
            strength=strengths,
            size=size,
            mask=mask,
            keep=keep or (),
            label=label,
            seed=seed,
            engine=place,
            callback=callback,
            **settings,
        )
    output.unreadable(made.skipped)
    images.write(before_after(made), page)
    if json:
        output.as_json(
            {
                "folder": str(made.folder),
                "label": made.label,
                "pictures": len(made.pictures),
                "made": made.made,
                "skipped": made.skipped,
                "sheet": str(page),
                "seconds": round(made.seconds, 1),
            }
        )
        return
    there = len(made.pictures) - made.made
    print(f"{made.made} pictures of {made.label} made" + (f", {there} were there" if there else ""))
    print(made.folder)
    print(page)
    output.note(WARNING)


def _measure(
    loader: Loader, healthy: list[str], towards: list[str], out: str | None, *, json: bool, **given: Any
) -> None:
    """Measure, write what was found, and print it."""
    from dreamscope import files

    target = Path(out) if out is not None else output.free_name("augmentation", ".html")
    if target.suffix.lower() not in (".html", ".json"):
        raise DreamscopeError(f"can't write '{target}': what --measure finds is a .html or a .json")
    files.ensure_writable(target)
    model = loader()
    from dreamscope.augmentation.gain import METRICS
    from dreamscope.augmentation.measure import measure_augmentation
    from dreamscope.pages import gain_page

    with output.stages() as callback:
        gain = measure_augmentation(model, paths(healthy), paths(towards), callback=callback, **given)
    if target.suffix.lower() == ".json":
        gain.save(target)
    else:
        gain_page.write(gain, target)
    if json:
        output.as_json({"file": str(target), **gain.to_dict()})
        return
    print(gain.about)
    for metric in METRICS:
        print(f"\n{metric}")
        output.table(gain.columns, gain.rows(metric))
    print(f"\n{gain_page.verdict(gain)}")
    print(target)
    output.note(WARNING)


def _whole(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise DreamscopeError(f"numbers of positives are whole, such as 3,5,10; not '{text}'") from None


def _numbers(text: str) -> list[float] | float:
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        raise DreamscopeError(f"a strength is a number, or two such as 0.5,1; not '{text}'") from None
    return numbers if len(numbers) > 1 else numbers[0]
