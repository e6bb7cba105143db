"""``fool``: the least change for which a picture is taken for something else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamscope.cli import output
from dreamscope.cli.options import PHOTO_OR_PATTERN, Json, Loader, OptionalSeed, out_option, size_option, with_model
from dreamscope.cli.replay import RecipeOf, replayed
from dreamscope.errors import DreamscopeError

if TYPE_CHECKING:
    from dreamscope.adversarial.fool import Fooling


@with_model()
def fool(
    image: Annotated[str | None, typer.Argument(metavar="[IMAGE]", help=PHOTO_OR_PATTERN)] = None,
    *,
    loader: Loader,
    to: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Name or index of the class to be taken for; any other if not given."),
    ] = None,
    out: Annotated[str | None, out_option("A .png; NAME-fooled.png if not given.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="M",
            help="minimal, pgd, fgsm or ascent; if not given, minimal, or ascent from a start that is no photo.",
        ),
    ] = None,
    norm: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Measure of the change: l2 (as a whole) or linf (its largest change of a colour); l2 if not given.",
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="X", help="Largest change allowed, for colours in 0 to 1: 0.5, or 2/255.")
    ] = None,
    stop_at: Annotated[
        float | None,
        typer.Option(
            metavar="CONFIDENCE",
            help="Confidence to reach, 0 to 1; if not given, 0.99 from a start that is no photo, else none.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Largest number of steps; each method has its own if not given.")
    ] = None,
    size: Annotated[
        str | None, size_option("the photo's own, or the network's input size for a start that is no photo,")
    ] = None,
    seed: OptionalSeed = None,
    recipe: RecipeOf = None,
    json: Json = False,
) -> None:
    """Change a picture as little as possible until it is taken for something else."""
    from dreamscope import files, images
    from dreamscope.optimize.initial_images import is_initial

    given, load = replayed(
        "fool",
        recipe,
        loader,
        image=image,
        to=to,
        method=method,
        norm=norm,
        budget=budget,
        stop_at=stop_at,
        steps=steps,
        size=size,
        seed=seed,
    )
    if "image" not in given:
        raise DreamscopeError("give a picture to change, such as sample:china, or --recipe OUT")
    target = Path(out) if out is not None else output.free_name(f"{output.stem_of(given['image'])}-fooled", ".png")
    if target.suffix.lower() != ".png":
        raise DreamscopeError(f"can't write '{target}': only .png keeps every level of the change")
    files.ensure_writable(target)
    beside = target.with_name(f"{target.stem}-difference.png")
    for written in (target, beside):
        if not is_initial(given["image"]):
            output.input_picture(given["image"], written)
    model = load()
    from dreamscope.adversarial import fool as technique

    # A picture that does not fool the network yet is of no use.
    with output.keeping(lambda _: None), output.progress("fooling") as callback:
        found = technique.fool(model, callback=callback, **given)
    wanted = "" if found.goal.to is None else model.label(found.goal.to)
    if not found.success:
        raise DreamscopeError(_why_not(found, wanted))
    # What counts is the file as it is read, and only one that fools the network may replace another.
    with files.written_whole(target) as temporary:
        found = found.reread(model, found.save(temporary))
        if not found.success:
            raise DreamscopeError(_why_not(found, wanted))
    images.write(found.difference(), beside)
    if json:
        output.as_json(_facts(found, target, beside))
        return
    rows = [
        ["before", found.before[0].label, f"{found.before[0].probability:.3f}", f"{found.wanted_before:.3g}"],
        ["after", found.after[0].label, f"{found.after[0].probability:.3f}", f"{found.wanted_after:.3g}"],
    ]
    output.table(["", "taken for", "confidence", "wanted"], rows)
    print(f"L2 {found.l2:.3f}  Linf {found.linf * 255:.0f}/255  {found.steps} steps  {found.seconds:.1f} s")
    print(f"{target}  {beside}")


def _why_not(found: Fooling, wanted: str) -> str:
    predicted = found.after[0]
    budget, norm = found.goal.budget, found.goal.norm
    within = f" within {norm} {budget:.4g}" if budget is not None else ""
    reached = f", {wanted} at {found.wanted_after:.3f}" if wanted else ""
    return (
        f"not fooled{within} in {found.steps} steps: still taken for {predicted.label} at {predicted.probability:.3f}"
        f"{reached} (change: L2 {found.l2:.3f}, Linf {found.linf * 255:.0f}/255); try a larger --budget or more --steps"
    )


def _facts(found: Fooling, target: Path, beside: Path) -> dict[str, Any]:
    return {
        "file": str(target),
        "difference": str(beside),
        "before": {"label": found.before[0].label, "confidence": found.before[0].probability},
        "after": {"label": found.after[0].label, "confidence": found.after[0].probability},
        "wanted": {"index": found.goal.to, "before": found.wanted_before, "after": found.wanted_after},
        "l2": found.l2,
        "linf": found.linf,
        "steps": found.steps,
        "seconds": round(found.seconds, 3),
    }
