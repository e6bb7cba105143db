"""Facts in words: whether a picture can be trusted, what to type to look closer, large numbers."""

from __future__ import annotations

import shlex

from dreamscope.microscope.records import Trust

_TRUSTED = 0.6
"""How far from random photos to exemplars a picture has to be on its way to be taken for one of them."""
_ALIKE = 0.1
"""By how much exemplars have to be more alike than random photos, to have something in common."""


def verdict(trust: Trust) -> tuple[str, str]:
    """Return in a word and in a sentence whether a picture can be trusted."""
    way = trust.photos - trust.random
    unlike = " What excites it in these photos has little in common, either." if way < _ALIKE else ""
    if trust.other_path:
        return (
            "Read it with care",
            "What excites the channel here is less like what excites it in the photos than in half of all random "
            f"photos: the picture may do it in a way that no photo does.{unlike}",
        )
    if not unlike and trust.picture - trust.random >= _TRUSTED * way:
        return (
            "It can be trusted",
            "What excites the channel here is much the same as in the photos that excite it most.",
        )
    less = "" if unlike else ", but less than the photos are like one another"
    return (
        "In part",
        f"What excites the channel here is more like what excites it in the photos than in most random photos{less}."
        f"{unlike}",
    )


def commands(model: str, address: str) -> list[tuple[str, str]]:
    """Return what looks closer at a channel: what that does, and the command."""
    of = ["--model", model]
    return [
        ("Draw it larger", shlex.join(["dreamscope", "visualize", address, "--size", "512", *of])),
        ("Find it in your photos", shlex.join(["dreamscope", "exemplars", "PHOTOS", "--at", address, *of])),
        ("See where it acts", shlex.join(["dreamscope", "activations", "PHOTO", "--at", address, *of])),
        ("Dream of it", shlex.join(["dreamscope", "dream", "PHOTO", "--at", address, *of])),
    ]


def blind_command(model: str, label: str) -> str:
    """Return the command that searches a class's channels better."""
    return shlex.join(["dreamscope", "blind", "PHOTOS", "--class", label, "--model", model])


def short(count: int) -> str:
    """Write a large number in a few digits.

    >>> short(4651000), short(950)
    ('4.7 million', '950')
    """
    for size, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= size:
            return f"{count / size:.1f} {name}"
    return str(count)
