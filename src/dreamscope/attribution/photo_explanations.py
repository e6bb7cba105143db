"""What counted on many photos, and for which answers: what `dreamscope.explain_photos` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from torch import Tensor

from dreamscope.attribution.base import Method
from dreamscope.attribution.result import TargetValue
from dreamscope.dissection import intervals
from dreamscope.dissection.classification import Answer
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.tables import html_table, write_table
from dreamscope.photos import Photo
from dreamscope.recipes import Recipe

_SHOWN = 10


@dataclass(frozen=True)
class ExplainedPhoto:
    """One photo, what it was taken for, and what counted.

    Attributes
    ----------
    photo : Photo
        The file.
    answer : Answer or None
        Prediction and truth; ``None`` of a network without classes.
    targets : tuple of TargetValue
        For each method what was explained.
    outside : tuple of float or None
        For each method the share of the evidence that lies outside the object, 0 to 1; ``None`` where nothing speaks
        for the target. Empty without a mask, or if no object is within the mask.
    area_outside : float or None
        The share of the picture that is outside the object: a map that is the same everywhere has so much outside.
    image : Tensor or None
        The photo as the network saw it, made small for a sheet, uint8 (3, h, w); ``None`` beyond the first `MOST`.
    maps : tuple of Tensor
        As small, for each method the heat map (1, h, w), of guided and deconv the gradient as a picture (3, h, w).
        Empty where there is no image.
    """

    photo: Photo
    answer: Answer | None
    targets: tuple[TargetValue, ...]
    outside: tuple[float | None, ...]
    area_outside: float | None
    image: Tensor | None
    maps: tuple[Tensor, ...]

    @property
    def confidence(self) -> float:
        """The probability of the prediction; of a network without classes the value explained."""
        return self.targets[0].value if self.answer is None else self.answer.predicted.probability

    @property
    def is_mistake(self) -> bool:
        """Whether the photo is known to be something else than it is taken for."""
        return self.answer is not None and self.answer.is_mistake

    def row(self, methods: tuple[Method, ...]) -> dict[str, Any]:
        """Return a row of a table."""
        row: dict[str, Any] = {"file": str(self.photo.path)} if self.answer is None else self.answer.row()
        row |= {"explains": self.targets[0].name, "value": round(self.targets[0].value, 6)}
        shares = self.outside or (None,) * len(methods)
        for number, (method, share) in enumerate(zip(methods, shares, strict=True)):
            again = sum(other.name == method.name for other in methods[:number])
            row[f"outside_{method.name}{f'-{again + 1}' if again else ''}"] = _rounded(share)
        return row | {"area_outside": _rounded(self.area_outside)}


SORTS: Mapping[str, Callable[[ExplainedPhoto], Any]] = {
    # Of what is wrong the most confident first, of other answers the least; where there are none, the highest value.
    "mistakes": lambda each: (
        0 if each.is_mistake else 1 if each.answer is None or each.answer.truth is None else 2,
        -each.confidence if each.is_mistake or each.answer is None else each.confidence,
    ),
    "confidence": lambda each: -each.confidence,
    "outside": lambda each: inf if not each.outside or each.outside[0] is None else -each.outside[0],
    "given": lambda _: 0,
}
"""Orders of photos by name: what is compared, the smallest first."""


@dataclass(frozen=True)
class Outside:
    """How much of the evidence lies outside the object, in the mean over some photos, with 95 % intervals.

    Attributes
    ----------
    method : str
        The method.
    photos : str
        Which photos: ``all``, ``mistakes``, ``right``.
    share : Estimate
        The mean share of the evidence outside.
    area : float
        The mean share of the area outside: what a map that is the same everywhere would have.
    """

    method: str
    photos: str
    share: Estimate
    area: float


@dataclass(frozen=True)
class PhotoExplanations:
    """What counted on each photo.

    Attributes
    ----------
    photos : tuple of ExplainedPhoto
        In the order asked for.
    methods : tuple of Method
        The methods with their options.
    sort : str
        The order, one of `SORTS`.
    unreadable : Mapping of str to str
        Photos skipped because they can't be read, by file name, and why.
    recipe : Recipe or None
        Enough to make it again; ``None`` if none was wanted.
    """

    photos: tuple[ExplainedPhoto, ...]
    methods: tuple[Method, ...]
    sort: str
    unreadable: Mapping[str, str]
    recipe: Recipe | None

    @property
    def outside(self) -> list[Outside]:
        """How much of the evidence lies outside the object: of all photos with masks, of mistakes, of right answers."""
        masked = [each for each in self.photos if each.outside]
        known = [each for each in masked if each.answer is not None and each.answer.truth is not None]
        wrong = [each for each in known if each.is_mistake]
        right = [each for each in known if not each.is_mistake]
        groups = {"all": masked} | ({"mistakes": wrong, "right": right} if wrong and right else {})
        found = []
        for number, method in enumerate(self.methods):
            for name, group in groups.items():
                pairs = [(each.outside[number], each.area_outside) for each in group]
                counted = [(share, area) for share, area in pairs if share is not None and area is not None]
                if counted:
                    shares, areas = zip(*counted, strict=True)
                    found.append(Outside(str(method), name, intervals.mean(shares), sum(areas) / len(areas)))
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return a row of a table for each photo: its answer, what was explained, and the shares outside."""
        return [each.row(self.methods) for each in self.photos]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as plain values for JSON; paths as they were given."""
        return {
            "methods": [str(each) for each in self.methods],
            "sort": self.sort,
            "outside": [asdict(each) for each in self.outside],
            "photos": self.rows(),
            "unreadable": dict(self.unreadable),
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
        }

    def save(self, path: str | Path) -> Path:
        """Write a row for each photo as ``.csv``, or everything but the pictures, with the recipe, as ``.json``.

        Raises
        ------
        DreamscopeError
            If `path` has another suffix or can't be written.
        """
        return write_table(path, self.rows(), self.to_dict)

    def _repr_html_(self) -> str:
        rows = self.rows()[:_SHOWN]
        return html_table(f"{len(self.photos)} photos", list(rows[0]), [list(row.values()) for row in rows])


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
