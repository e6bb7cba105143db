"""``blind``: what is lost without the channels of a class"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamscope.cli import output
from dreamscope.cli.film import FORMATS, Fps
from dreamscope.cli.options import Json, Loader, Seed, out_option, seconds, with_model
from dreamscope.cli.photo_options import (
    AtLeast,
    ClassName,
    Controls,
    EngineName,
    FromLayer,
    Layers,
    Loudest,
    PerLayer,
    Targets,
    frequency_rule,
    given_controls,
    given_engine,
    paths,
    writable,
)
from dreamscope.errors import DreamscopeError, ensure_one_of

if TYPE_CHECKING:
    from fractions import Fraction

    from dreamscope.dissection.blinding import Blinding
    from dreamscope.dissection.predictions import Row

_ALL, _SOME = 20, 10
"""Up to so many photos are all listed; of more, so many."""


@with_model()
def blind(
    targets: Targets,
    *,
    loader: Loader,
    controls: Controls = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PHOTOS", help="Photos of the class to measure on; if not given, parts of the targets take turns."
        ),
    ] = None,
    rest: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PHOTOS",
            help="Photos of other things to measure on; if not given, parts of the controls take turns.",
        ),
    ] = None,
    class_name: ClassName = None,
    units: Annotated[
        str | None,
        typer.Option(
            metavar="U",
            help="What is taken away: directions, channels, or both (channels first). If not given, channels where "
            "--method or --channels is, else directions.",
        ),
    ] = None,
    aim: Annotated[
        str | None,
        typer.Option(
            metavar="AIM",
            help="How far: answer (until the network does not say it; for channels) or readout (until nothing linear "
            "can read it; for directions).",
        ),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(metavar="LAYER", help="Erase it from this layer on, not only at the end; for directions."),
    ] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="SCORES", help="Scores written by dissect -o, used in place of a search.")
    ] = None,
    layers: Layers = None,
    from_layer: FromLayer = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M",
            help="For channels: joint if not given, contrast, attribution, frequency or single; may be repeated, the "
            "first chooses.",
        ),
    ] = None,
    loudest: Loudest = None,
    at_least: AtLeast = None,
    per_layer: PerLayer = None,
    top: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            help="Number of channels to remove; if not given, all of frequency's rule, or as many as the aim takes, at "
            "most 50.",
        ),
    ] = None,
    how: Annotated[
        str,
        typer.Option(
            metavar="H",
            help="How channels are removed, and what that leaves: zero (nothing), mean (how strong they are, not "
            "where), noise (their mean and spread: nearly all), gaussian (nothing, but noise as strong as the layer), "
            "randomize[:SEED] (what random weights make of the same input) or scale:X (X times themselves).",
        ),
    ] = "zero",
    folds: Annotated[int, typer.Option(metavar="N", min=1, help="Number of parts of the photos that take turns.")] = 2,
    draws: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of random sets of channels or directions to compare with.")
    ] = 3,
    curve: Annotated[
        bool, typer.Option("--curve", help="Measure fewer and more channels, or directions erased in part, too.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What it may take, such as 5min: random sets and curve only as time allows."),
    ] = None,
    out: Annotated[str | None, out_option("The report: a .html, its numbers beside it as .json.")] = None,
    pictures: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Draw at most so many removed channels and directions from noise in the report; 0: nothing that takes "
            "time.",
        ),
    ] = 50,
    export: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="The edited weights, for torchvision or timm: a .safetensors."),
    ] = None,
    film: Annotated[
        str | None, typer.Option(metavar="OUT", help=f"Film of what is lost as more channels are removed: {FORMATS}.")
    ] = None,
    fps: Fps = "24",
    seed: Seed = 0,
    engine: EngineName = None,
    json: Json = False,
) -> None:
    """Take a class away, and measure on other photos what was lost - and whether it is blind, or only mute."""
    from dreamscope.dissection.blind import blind as technique
    from dreamscope.dissection.scores import ChannelScores
    from dreamscope.dissection.search import METHODS
    from dreamscope.dissection.sites import ensure_exportable
    from dreamscope.film import dose_film
    from dreamscope.models import weight_export
    from dreamscope.models.ablation import BAKED
    from dreamscope.pages import report as reports

    page = writable(out, ".html")
    weights = writable(export, ".safetensors")
    filmed, rate = _film(film, fps, [*targets, *(controls or []), *(measure or []), *(rest or [])])
    if channels is not None and method:
        raise DreamscopeError("--channels and --method exclude each other: the scores say which channels")
    for each in method or ():
        ensure_one_of(each, METHODS, "method")
    time_limit = None if budget is None else seconds(budget)
    if weights is not None and how.partition(":")[0] not in BAKED:
        raise DreamscopeError(
            f"'{how}' can't become plain weights: only zero, randomize and scale:X can; leave out --export or --how"
        )
    where = given_engine(engine)
    scores = None if channels is None else ChannelScores.load(channels)
    model = (
        loader() if scores is None or scores.recipe is None else loader.like(scores.recipe.model, near=channels or "")
    )
    if weights is not None and scores is None and units != "channels" and not (units is None and method):
        ensure_exportable(model, depth)
    with output.stages() as callback:
        blinding = technique(
            model,
            paths(targets),
            given_controls(controls),
            measure=paths(measure) if measure else None,
            rest=paths(rest) if rest else None,
            class_name=class_name,
            units=units,
            aim=aim,
            depth=depth,
            scores=scores,
            layers=layers or None,
            from_layer=from_layer,
            method=method or None,
            top=top,
            how=how,
            folds=folds,
            draws=draws,
            curve=curve or filmed is not None,
            budget=time_limit,
            seed=seed,
            engine=where,
            callback=callback,
            **frequency_rule(loudest, at_least, per_layer),
        )
    if page is not None:
        with output.stages() as callback:
            reports.write(blinding, page, pictures=pictures, callback=callback)
    if weights is not None:
        weight_export.export(blinding.model, weights)
    if filmed is not None:
        with output.stages() as callback:
            dose_film.film(blinding, filmed, fps=rate, callback=callback)
    output.unreadable(blinding.unreadable)
    if json:
        output.as_json(reports.as_dict(blinding))
        return
    _print(blinding, page)
    for written in (page, weights, filmed):
        if written is not None:
            print(written)


def _print(blinding: Blinding, page: Path | None) -> None:
    from dreamscope.dissection.shares import averaged, lost, shared
    from dreamscope.pages import photo_rows

    result, features = blinding.result, blinding.design.read_at[-1]
    targets, others = result.recall_after.count, result.loss.count
    print(blinding.verdict())
    print()
    rows = [
        ["recall", shared(result.recall_before), shared(result.recall_after)],
        ["confidence", averaged(result.confidence_before), averaged(result.confidence_after)],
        ["top-1 of the rest", shared(result.top1_before), shared(result.top1_after)],
        ["top-5 of the rest", shared(result.top5_before), shared(result.top5_after)],
    ]
    output.table(["", "before", "after"], rows)
    print()
    output.table(
        ["compared", "recall", "changed photos", result.loss_name(), "probe finds"],
        [
            [
                trial.title,
                shared(trial.recall, targets),
                shared(trial.robust) if trial.robust else "",
                lost(trial.loss, others),
                shared(trial.readouts[features].recall()) if features in trial.readouts else "",
            ]
            for trial in blinding.trials
        ],
    )
    if blinding.course is not None:
        print()
        doses = [[str(dose.amount), shared(dose.recall), lost(dose.loss)] for dose in blinding.course.doses]
        output.table([blinding.course.unit, "recall", result.loss_name()], doses)
    mistaken = ", ".join(f"{label} {count}" for label, count in result.taken_for[:5])
    if mistaken:
        print(f"{blinding.label} is now taken for: {mistaken}")
    _print_photos(
        photo_rows.targets(blinding, _ALL), partial(photo_rows.of_class, label=blinding.label), blinding.label, page
    )
    _print_photos(photo_rows.controls(blinding, _ALL), photo_rows.of_others, "other things", page)


def _print_photos(rows: Sequence[Row], state: Callable[[Row], str], what: str, page: Path | None) -> None:
    """Print what photos were taken for: all if they are few, else the first."""
    from dreamscope.pages import photo_rows

    shown = rows if len(rows) <= _ALL else rows[:_SOME]
    print()
    _, before, after, _ = photo_rows.HEAD
    output.table([f"photos of {what}", before, after, ""], photo_rows.cells(shown, state))
    if more := len(rows) - len(shown):
        print(f"and {more} more: {page or '-o REPORT.html or --json lists all'}")


def _film(text: str | None, fps: str, sources: list[str]) -> tuple[Path | None, Fraction]:
    """Return where a film goes and its frames per second; raise if it would replace a photo."""
    from dreamscope import files, photos
    from dreamscope.film import writer as films

    rate = films.rate(fps, text or "a.mp4")
    if text is None:
        return None, rate
    path = files.ensure_writable(text)
    # A folder of photos may hold a .gif.
    if path.exists():
        files.ensure_no_input(path, (photo.path for photo in photos.find(paths(sources))), what="film")
    return path, rate
