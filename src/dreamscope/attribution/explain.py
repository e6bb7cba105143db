"""Explain: which pixels decided? Many methods, one convention, and how far each can be believed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dreamscope import __version__, images
from dreamscope.attribution.base import Method, Question, Windows, method_named
from dreamscope.attribution.cam import GradCam, LayerCam
from dreamscope.attribution.gradients import Deconv, Guided, Integrated, Saliency, SmoothGrad
from dreamscope.attribution.metrics import faithfulness, sanity
from dreamscope.attribution.perturbations import Lime, Occlusion, Rise
from dreamscope.attribution.result import Change, Explanation, heat, heat_of
from dreamscope.errors import DreamscopeError, ensure_seed
from dreamscope.models.addresses import Address
from dreamscope.models.classifier import Classifier
from dreamscope.objectives.targets import Class, Target, targets
from dreamscope.optimize.precision import prepared
from dreamscope.recipes import Recipe, reference

METHODS: Mapping[str, type[Method]] = {
    kind.name: kind
    for kind in (Saliency, SmoothGrad, Guided, Deconv, Integrated, GradCam, LayerCam, Occlusion, Rise, Lime)
}
"""The methods by name; each is a dataclass of its options."""

DEFAULT_METHOD = GradCam.name

Stages = Callable[[str, int, int], None]


def explain(
    model: Classifier,
    image: str | Path | Tensor,
    of: str | int | Address | None = None,
    *,
    methods: str | Method | Sequence[str | Method] = DEFAULT_METHOD,
    faithful: bool = False,
    sane: bool = False,
    seed: int = 0,
    report: Stages | None = None,
) -> list[Explanation]:
    """Say which pixels of a picture count for what a network says.

    Parameters
    ----------
    model
        The classifier.
    image
        A file, ``sample:NAME``, or an image (1, 3, H, W). The network looks at it as it was tested: resized, and
        the middle cropped.
    of
        What to explain: a class (its index, or ``class:LABEL``), a channel or neuron (``features.28:40@7,7``), or a
        sum of them (``class:bee - class:fly``: why the one and not the other). The class that the picture is
        taken for if not given.
    methods
        Names in `METHODS`, with options if wanted (``occlusion:32,8``, ``occlusion:fill=blur``), or each a `Method`.
    faithful
        Measure insertion and deletion, too.
    sane
        Make the weights random from the top down, too, and see what stays of the map; takes 8 times as long.
    seed
        Of all randomness.
    report
        Called with what is being done, how much of it is done, and of how much.

    Returns
    -------
    list of Explanation
        One for each method, in order.

    Raises
    ------
    DreamscopeError
        No such class, address, method or option; a network without classes; a method that does not fit the
        network (``guided`` on one without ReLUs) or the picture (a window larger than it).
    """
    chosen = [method_named(each, METHODS) for each in ([methods] if isinstance(methods, str | Method) else methods)]
    if not chosen:
        raise DreamscopeError(f"no method given; there are {', '.join(METHODS)}")
    ensure_seed(seed)
    picture = images.read(image)
    if len(picture) != 1:
        raise DreamscopeError(f"one picture is explained at a time, not {len(picture)}")
    picture = model.prepared(picture.to(model.device))
    subject = _subject(model, picture, of)
    plain = Question(model, picture, subject, torch.Generator().manual_seed(seed))
    chosen = [method.settled(plain) for method in chosen]
    looked_at = {*subject.objective("mean").layers, *(name for method in chosen for name in method.layers)}
    fast, _ = prepared(model, looked_at, max(picture.shape[-2:]), "float32")
    recipe = Recipe(
        version=__version__,
        command="explain",
        model=model.source,
        inputs={"image": reference(image)},
        parameters={
            "of": str(subject),
            "methods": [str(method) for method in chosen],
            "faithful": faithful,
            "sane": sane,
            "seed": seed,
        },
    )
    found = []
    for method in chosen:
        started = time.perf_counter()
        attribution = method(_question(fast, plain, report, method.name))
        seconds = time.perf_counter() - started
        if not torch.isfinite(attribution.values).all():
            raise DreamscopeError(f"{method.name} of '{subject.name}' gives numbers that are not finite")
        map_ = heat(method, attribution.values)
        curves = faithfulness(_question(fast, plain, report, "insertion, deletion"), map_) if faithful else None
        # Folded, measured forms hold for these weights alone: random ones run in the network as it is.
        survivals = (
            sanity(_question(model, plain, report, f"{method.name}, random weights"), method, map_, heat_of)
            if sane
            else ()
        )
        found.append(
            Explanation(
                method=method,
                image=picture.cpu(),
                subject=subject.name,
                of_class=plain.asks_for_class,
                value=plain.value,
                values=attribution.values,
                windows=attribution.windows,
                changes=_changes(model, attribution.windows, plain),
                faithfulness=curves,
                sanity=survivals,
                seconds=seconds,
                recipe=recipe,
            )
        )
    return found


def _subject(model: Classifier, picture: Tensor, of: str | int | Address | None) -> Target:
    if of is None or isinstance(of, int) or "class:" in str(of):
        try:
            with torch.no_grad():
                logits = model.logits(picture)
        except DreamscopeError as error:
            if "has no classes" not in str(error):
                raise
            raise DreamscopeError(
                f"{error}; explain a channel or neuron instead, such as '{model.default_address}:0'"
            ) from error
    if of is None:
        of = int(logits.argmax(1))
    found = targets(model, [f"class:{of}" if isinstance(of, int) else str(of)])
    if len(found) != 1:
        raise DreamscopeError(f"one thing is explained at a time, but '{of}' names {len(found)}")
    for term in found[0].terms:
        if isinstance(term, Class) and term.index >= logits.shape[1]:
            raise DreamscopeError(
                f"class {term.index} is out of range: {model.name} has {logits.shape[1]} classes, "
                f"0-{logits.shape[1] - 1}"
            )
    return found[0]


def _question(model: Classifier, plain: Question, report: Stages | None, what: str) -> Question:
    """Return the same question of another form of the network, drawing from the start, and told of by a name."""
    generator = torch.Generator().manual_seed(plain.generator.initial_seed())
    if report is None:
        return Question(model, plain.image, plain.subject, generator)
    return Question(model, plain.image, plain.subject, generator, partial(report, what))


def _changes(model: Classifier, windows: Windows | None, question: Question) -> tuple[Change, ...]:
    if windows is None or windows.answers is None:
        return ()
    with question.looking() as look:
        _, answer = look(question.image)
    assert answer is not None
    counted = Counter(windows.answers.flatten().tolist())
    del counted[int(answer)]
    total = windows.answers.numel()
    return tuple(Change(index, model.label(index), times / total) for index, times in counted.most_common())
