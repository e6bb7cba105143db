"""Layout: what stands where on a sheet - dreams, the untouched photos beside them, headings."""

from __future__ import annotations

from dataclasses import dataclass

from dreamscope.sheets.axes import Place
from dreamscope.sheets.gallery import Gallery, name_of

UNTOUCHED = "untouched"
"""Said of a picture that is as it was."""


@dataclass(frozen=True)
class Shown:
    """One picture of a sheet.

    Attributes
    ----------
    number : int
        Of the gallery's cell.
    label, note : str
        What it is called, and a second line.
    untouched : bool
        Whether what the cell was dreamt on is shown, not the dream.
    """

    number: int
    label: str
    note: str
    untouched: bool = False


@dataclass(frozen=True)
class Grid:
    """A sheet of rows and columns.

    Attributes
    ----------
    rows, columns : tuple of Place
        The headings.
    cells : tuple of tuple of Shown
        Row after row.
    corner : Shown or None
        The untouched photo, where the headings meet, if all were dreamt on it and no column or row holds it.
    """

    rows: tuple[Place, ...]
    columns: tuple[Place, ...]
    cells: tuple[tuple[Shown, ...], ...]
    corner: Shown | None


def series(gallery: Gallery) -> list[tuple[Shown, ...]]:
    """Return what a sheet of one axis shows: the untouched photo and the dreams; over photos, each beside its dream."""
    dreams = [Shown(number, each.label, each.note) for number, each in enumerate(gallery.cells)]
    if gallery.plan.kinds == ("photos",):
        return [(Shown(each.number, each.label, UNTOUCHED, untouched=True), each) for each in dreams]
    first = [] if _holds_no_steps(gallery) else [_photo(gallery)]
    return [(each,) for each in [*first, *dreams]]


def grid(gallery: Gallery) -> Grid:
    """Return what a sheet of two axes shows."""
    rows, columns = (axis.places for axis in gallery.plan.axes)
    across = len(columns)
    cells: list[tuple[Shown, ...]] = [
        tuple(
            Shown(number, gallery.cells[number].label, gallery.cells[number].note)
            for number in range(row * across, (row + 1) * across)
        )
        for row in range(len(rows))
    ]
    if _holds_no_steps(gallery):
        return Grid(rows, columns, tuple(cells), None)
    heading = Place(UNTOUCHED, "", {})
    if gallery.plan.kinds[0] == "photos":
        cells = [
            (Shown(line[0].number, place.label, UNTOUCHED, untouched=True), *line)
            for place, line in zip(rows, cells, strict=True)
        ]
        return Grid(rows, (heading, *columns), tuple(cells), None)
    if gallery.plan.kinds[1] == "photos":
        first = tuple(Shown(number, place.label, UNTOUCHED, untouched=True) for number, place in enumerate(columns))
        return Grid((heading, *rows), columns, (first, *cells), None)
    return Grid(rows, columns, tuple(cells), _photo(gallery))


def _photo(gallery: Gallery) -> Shown:
    return Shown(0, name_of(gallery.plan.cells[0].image), UNTOUCHED, untouched=True)


def _holds_no_steps(gallery: Gallery) -> bool:
    """Return whether dreams of no steps are among those over steps: the untouched photos."""
    return "steps" in gallery.plan.kinds and any(cell.settings["steps"] == 0 for cell in gallery.plan.cells)
