"""Album: a gallery as one labelled picture, and as one page to click through that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from torch import Tensor

from dreamscope import files, images
from dreamscope.errors import DreamscopeError
from dreamscope.figures.contact_sheets import Cell, columns_for, sheet
from dreamscope.sheets.differences import BANDS, Change
from dreamscope.sheets.gallery import Gallery

MOST = 320
"""Pixels of the longer side of a cell on the picture, if nothing else is said."""

_SHADE = "36, 119, 212"  # of the table's cells, as R, G, B; the more energy, the less transparent

# Nothing is fetched and nothing runs, whatever a label is called: browsers keep to this policy.
_META = """<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">"""
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #68707a; --line: #d9dde2; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --faint: #98a0a8; --line: #363c43; --paper: #15181b; } }
body { margin: 0; padding: 1rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.15rem; margin: 0 0 .75rem; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: 1rem; margin: 0;
  padding: 0; list-style: none; }
figure { margin: 0; } a { color: inherit; } figcaption small { display: block; color: var(--faint); }
figure img { display: block; width: 100%; border-radius: 3px; }
.none { display: grid; place-items: center; aspect-ratio: 4 / 3; border: 1px solid var(--line); color: var(--faint); }
nav, figure pre { display: none; } .wide { overflow-x: auto; } .wide img { max-width: 100%; }
figure:target { position: fixed; inset: 0; z-index: 1; padding: 1rem; overflow: auto; background: var(--paper);
  text-align: center; }
figure:target nav { display: flex; gap: 1.5rem; justify-content: center; margin-bottom: .75rem; }
figure:target img { width: auto; max-width: 100%; min-width: min(40rem, 100%); max-height: 80vh; margin: 0 auto;
  object-fit: contain; }
figure:target pre { display: block; max-width: 60rem; margin: .75rem auto 0; text-align: left; }
pre { font: .875rem/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } summary { cursor: pointer; margin-top: 1.5rem; }
"""


def picture(
    gallery: Gallery,
    *,
    columns: int | None = None,
    most: int = MOST,
    instead: Sequence[Tensor | None] | None = None,
) -> Tensor:
    """Lay a gallery out in rows, each picture with its label.

    Parameters
    ----------
    gallery
        What is shown.
    columns
        How many stand side by side; of up to eight that are one series, all.
    most
        Pixels: wider or higher pictures are made smaller.
    instead
        Pictures in the place of the finished ones, in the same order.

    Returns
    -------
    Tensor
        (1, 3, H, W) in [0, 1].
    """
    # One after the other: of hundreds of large pictures only what is shown is held.
    pictures = (each.image for each in gallery.shown) if instead is None else instead
    small = (image if image is None else images.at_most(image, most) for image in pictures)
    cells = [Cell(image, each.label, each.note) for each, image in zip(gallery.shown, small, strict=True)]
    return sheet(cells, columns=columns or columns_of(gallery), title=gallery.title, most=most)


def columns_of(gallery: Gallery) -> int:
    """Return how many stand side by side: of up to eight that are one series, all."""
    count = len(gallery.shown)
    series = gallery.plan.over in ("steps", "octaves", "weights") and count <= 8
    return count if series else columns_for(count)


def page(
    gallery: Gallery, path: str | Path, *, changes: Mapping[str, Change] | None = None, maps: Tensor | None = None
) -> Path:
    """Write a gallery as one ``.html``: a click enlarges a picture and shows its recipe. It fetches nothing.

    Parameters
    ----------
    gallery
        What is shown.
    path
        Where to; written whole or not at all.
    changes
        What each dream changed, by its label: a table of frequencies.
    maps
        A picture of where, (1, 3, H, W).

    Raises
    ------
    DreamscopeError
        If `path` is no ``.html`` or can't be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise DreamscopeError(f"a page to click through is a .html, not '{path.name}'")
    text = _html(gallery, changes or {}, maps)
    with files.written_whole(path) as temporary:
        # A file name may hold bytes that are no text.
        temporary.write_text(text, "utf-8", errors="xmlcharrefreplace")
    return path


def _html(gallery: Gallery, changes: Mapping[str, Change], maps: Tensor | None) -> str:
    title = escape(gallery.title)
    figures = "".join(_figure(gallery, number) for number in range(len(gallery.shown)))
    different = ""
    if maps is not None:
        different = f'<h2>Where they changed it</h2>\n<p class="wide">{_image(maps, "where they changed it")}</p>\n'
    if changes:
        different += f"<h2>At which wavelengths</h2>\n{_table(changes)}\n"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{_META}\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<ol>\n{figures}</ol>\n{different}"
        "<details><summary>Every parameter of every picture</summary>"
        f"<pre>{escape(gallery.recipe.to_json(indent=2))}</pre></details>\n</body>\n</html>\n"
    )


def _figure(gallery: Gallery, number: int) -> str:
    """Return one picture. The link on it makes it the page's target, which is what enlarges it: no script is needed."""
    each, last = gallery.shown[number], len(gallery.shown) - 1
    image = each.image
    around = [
        f'<a href="#cell-{number - 1}">previous</a>' if number else "",
        f'<a href="#place-{number}">close</a>',
        f'<a href="#cell-{number + 1}">next</a>' if number < last else "",
    ]
    shown = '<span class="none">no picture</span>' if image is None else _image(image, each.label)
    note = f"<small>{escape(each.note)}</small>" if each.note else ""
    return (
        f'<li id="place-{number}"><figure id="cell-{number}"><nav>{"".join(around)}</nav>'
        f'<a href="#cell-{number}">{shown}</a><figcaption>{escape(each.label)}{note}</figcaption>'
        f"<pre>{escape(each.recipe.to_json(indent=2))}</pre></figure></li>\n"
    )


def _image(image: Tensor, name: str) -> str:
    return f'<img alt="{escape(name)}" src="{images.data_uri(images.to_pil(image), quality=92)}">'


def _table(changes: Mapping[str, Change]) -> str:
    """Return how much each dream changed, and how much of that at which wavelengths."""

    def row(name: str, each: Change) -> str:
        shares: Sequence[float] = each.shares
        cells = "".join(
            f'<td style="background: rgba({_SHADE}, {0.7 * share:.2f})">{100 * share:.0f} %</td>' for share in shares
        )
        return f"<tr><td>{escape(name)}</td><td>{255 * each.size:.1f}</td>{cells}</tr>\n"

    head = "".join(f"<th>{escape(band)}</th>" for band in ("", "change (of 255)", *BANDS))
    rows = "".join(row(name, each) for name, each in changes.items())
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{rows}</table></div>'
