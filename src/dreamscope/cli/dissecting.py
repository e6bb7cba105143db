"""``dissect`` and ``blind``: which channels carry a class, and what is lost without them."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.film import Fps
from dreamscope.cli.options import Json, Loader, with_model
from dreamscope.errors import DreamscopeError, ensure_one_of

if TYPE_CHECKING:
    from fractions import Fraction

    from dreamscope.dissection.blind import Blinding
    from dreamscope.dissection.dose_response import Dose
    from dreamscope.dissection.scores import ChannelScores

_PHOTOS = "folders, photos, or labels files (CSV: file, class_index or label)"

Targets = Annotated[
    list[str], typer.Argument(metavar="TARGETS ...", help=f"Photos of the class: {_PHOTOS}.", show_default=False)
]
Controls = Annotated[
    list[str] | None, typer.Option("--controls", metavar="PHOTOS", help="Photos of other things; may be repeated.")
]
Class = Annotated[
    str | None,
    typer.Option("--class", metavar="LABEL", help="Name or index; the targets' label or likeliest class if not given."),
]
Layers = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Layers to look in; may be repeated. The later activations if not given."),
]
Start = Annotated[str | None, typer.Option("--from", metavar="LAYER", help="Of these, only from this one on.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Of all randomness.")]


@with_model()
def dissect(
    targets: Targets,
    *,
    loader: Loader,
    controls: Controls = None,
    class_: Class = None,
    layers: Layers = None,
    start: Start = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M",
            help="joint, contrast, attribution, frequency, drop; may be repeated, the first ranks. All but drop, "
            "which is slow, if not given.",
        ),
    ] = None,
    out: Annotated[str | None, typer.Option("-o", "--out", metavar="OUT", help="Scores for blind: a .json.")] = None,
    plot: Annotated[str | None, typer.Option(metavar="OUT", help="A picture of the ranking: a .png.")] = None,
    top: Annotated[int, typer.Option(metavar="K", min=1, help="Channels to show.")] = 20,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Find the channels that carry a class."""
    from dreamscope.dissection.dissect import DEFAULT_METHODS
    from dreamscope.dissection.dissect import dissect as technique
    from dreamscope.figures import plots

    target = _writable(out, ".json")
    picture = _writable(plot, ".png")
    model = loader()
    with output.stages() as report:
        scores = technique(
            model,
            _paths(targets),
            _given_controls(controls),
            class_=class_,
            layers=layers or None,
            start=start,
            methods=method or DEFAULT_METHODS,
            seed=seed,
            report=report,
        )
    if target is not None:
        scores.save(target)
    if picture is not None:
        plots.ranking(scores, picture)
    output.unreadable(scores.unreadable)
    if json:
        output.as_json(_ranking(scores, top))
        return
    print(f"{scores.label}: {scores.counts['targets']} photos against {scores.counts['controls']} controls")
    rows = _ranking(scores, top)["channels"]
    columns = ["channel", *scores.scores, "difference", "auc"]
    output.table(columns, [[row["address"], *(f"{row[name]:.3g}" for name in columns[1:])] for row in rows])
    for (first, second), value in scores.agreement().items():
        print(f"{first} and {second} agree to {value:.2f} (rank correlation)")
    for written in (target, picture):
        if written is not None:
            print(written)


@with_model()
def blind(
    targets: Targets,
    *,
    loader: Loader,
    controls: Controls = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="PHOTOS", help="Photos of the class to measure on; half of the targets if not given."),
    ] = None,
    evaluate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PHOTOS",
            help="Labelled photos of everything else to measure on, beside half of the controls.",
        ),
    ] = None,
    class_: Class = None,
    channels: Annotated[
        str | None, typer.Option(metavar="SCORES", help="What dissect -o wrote; then nothing is searched.")
    ] = None,
    layers: Layers = None,
    start: Start = None,
    method: Annotated[
        str | None, typer.Option(metavar="M", help="joint if not given, contrast, attribution, frequency or drop.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            help="How many channels to take away; until the class is gone, at most 50, if not given.",
        ),
    ] = None,
    how: Annotated[str, typer.Option(metavar="H", help="zero, mean, noise or scale:X.")] = "zero",
    draws: Annotated[int, typer.Option(metavar="N", min=1, help="Random sets to compare with.")] = 20,
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", metavar="OUT", help="The report: a .html, its numbers beside it as .json."),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="The edited weights, for torchvision or timm: a .safetensors."),
    ] = None,
    film: Annotated[
        str | None,
        typer.Option(metavar="OUT", help="Film it going blind, dose after dose: .mp4, .webm or .gif."),
    ] = None,
    fps: Fps = "24",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Take the channels away that carry a class, and measure what was lost on photos not used for finding."""
    from dreamscope.dissection.blind import blind as technique
    from dreamscope.dissection.dissect import METHODS
    from dreamscope.dissection.scores import ChannelScores
    from dreamscope.film import dose_film
    from dreamscope.models import weight_export
    from dreamscope.pages import report as reports

    page = _writable(out, ".html")
    weights = _writable(export, ".safetensors")
    filmed, rate = _film(film, fps, [*targets, *(controls or []), *(measure or []), *(evaluate or [])])
    if channels is not None and method is not None:
        raise DreamscopeError("--channels and --method exclude each other: the scores say which channels")
    if method is not None:
        ensure_one_of(method, METHODS, "method")
    if weights is not None and how != "zero" and not how.startswith("scale:"):
        raise DreamscopeError(
            f"'{how}' can't become plain weights: only zero and scale:X can; leave --export or --how out"
        )
    scores = None if channels is None else ChannelScores.load(channels)
    model = loader() if scores is None else loader.like(scores.recipe.model, near=channels or "")
    with output.stages() as report:
        blinding = technique(
            model,
            _paths(targets),
            _given_controls(controls),
            measure=_paths(measure) if measure else None,
            rest=_paths(evaluate) if evaluate else None,
            class_=class_,
            scores=scores,
            layers=layers or None,
            start=start,
            method=method or next(iter(METHODS)),
            top=top,
            how=how,
            draws=draws,
            seed=seed,
            report=report,
        )
    if page is not None:
        reports.write(blinding, page)
    if weights is not None:
        weight_export.export(blinding.model, weights)
    if filmed is not None:
        with output.stages() as report:
            dose_film.film(blinding, filmed, fps=rate, report=report and partial(report, "filming"))
    output.unreadable(blinding.unreadable)
    if json:
        output.as_json(reports.as_dict(blinding))
        return
    _tell(blinding)
    for written in (page, weights, filmed):
        if written is not None:
            print(written)


def _tell(blinding: Blinding) -> None:
    result = blinding.result
    print(blinding.verdict())
    print()
    rows = [
        ["recall", result.recall_before, result.recall_after],
        ["confidence", result.confidence_before, result.confidence_after],
        ["top-1 of the rest", result.top1_before, result.top1_after],
        ["top-5 of the rest", result.top5_before, result.top5_after],
    ]
    if (controls := blinding.on_controls) is not None:
        rows.append(["top-1 of the controls", controls.top1_before, controls.top1_after])
        rows.append(["top-5 of the controls", controls.top5_before, controls.top5_after])
    output.table(["", "before", "after"], rows)
    print()
    output.table(["channels", "recall", "points lost"], [_dose(str(dose.channels), dose) for dose in blinding.curve])
    others = [_dose(f"{blinding.random.channels} random", blinding.random)]
    if blinding.frequency is not None:
        others.append(_dose(f"{blinding.frequency.channels} by frequency", blinding.frequency))
    output.table(["beside it", "recall", "points lost"], others)
    taken = ", ".join(f"{label} {count}" for label, count in result.taken_for[:5])
    if taken:
        print(f"{blinding.label} is now taken for: {taken}")


def _dose(name: str, dose: Dose) -> list[str]:
    return [name, str(dose.recall), str(dose.loss)]


def _ranking(scores: ChannelScores, top: int) -> dict[str, Any]:
    rows = []
    for place in scores.ranking()[:top].tolist():
        row: dict[str, Any] = {"address": str(scores.address(place))}
        row |= {name: float(values[place]) for name, values in {**scores.scores, **scores.numbers}.items()}
        rows.append(row)
    return {
        "class": {"index": scores.class_index, "label": scores.label},
        "counts": dict(scores.counts),
        "channels": rows,
        "agreement": {f"{first} {second}": value for (first, second), value in scores.agreement().items()},
        "unreadable": dict(scores.unreadable),
        "recipe": asdict(scores.recipe),
    }


def _given_controls(controls: list[str] | None) -> list[str | Path]:
    if not controls:
        raise DreamscopeError("give photos of other things to compare with: --controls FOLDER")
    return _paths(controls)


def _paths(texts: list[str]) -> list[str | Path]:
    return list(texts)


def _writable(text: str | None, suffix: str) -> Path | None:
    from dreamscope import files

    if text is None:
        return None
    if Path(text).suffix.lower() != suffix:
        raise DreamscopeError(f"can't write '{text}': this is a {suffix} file")
    return files.ensure_writable(text)


def _film(text: str | None, fps: str, sources: list[str]) -> tuple[Path | None, Fraction]:
    """Return where a film goes, which is none of the photos, and its frames a second."""
    from dreamscope import files, photos
    from dreamscope.film import writer as films

    rate = films.rate(fps, text or "a.mp4")
    if text is None:
        return None, rate
    path = files.ensure_writable(text)
    # A folder of photos may hold a .gif.
    if path.exists():
        files.ensure_no_input(path, (photo.path for photo in photos.find(_paths(sources))), what="film")
    return path, rate
