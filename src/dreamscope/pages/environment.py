"""The one Jinja environment: templates, the stylesheet, and what a page is allowed to load and to run."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from dreamscope import __version__, files, images
from dreamscope.errors import DreamscopeError
from dreamscope.figures import style

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def ensure_page(path: str | Path) -> Path:
    """Return `path` if a page can be written there.

    Raises
    ------
    DreamscopeError
        If it does not end in ``.html``, or its folder is missing or not writable.
    """
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise DreamscopeError(f"can't write '{path}': a page ends in .html")
    return files.ensure_writable(path)


def write(text: str, path: str | Path) -> Path:
    """Write a page as UTF-8, whole or not at all; see `ensure_page`."""
    path = ensure_page(path)
    with files.written_whole(path) as temporary:
        # A file name may hold bytes that are no text.
        temporary.write_text(text, "utf-8", errors="xmlcharrefreplace")
    return path


def render(template: str, *, script: str | None = None, **context: Any) -> str:
    """Fill in a template; the page needs nothing beside it.

    Whatever a label or a file is called, nothing is fetched, and nothing runs but `script`: its digest is in the page's
    Content-Security-Policy, which browsers keep to.

    Parameters
    ----------
    template
        A file in ``templates/``, without ``.html.jinja``. It extends ``base``.
    script
        A file in ``static/`` that becomes part of the page, or none.
    context
        What the template shows. Text is escaped; a name that the template asks for and does not get is an error.
    """
    from markupsafe import Markup

    code = None if script is None else static(script)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if code is not None:
        policy += f"; script-src 'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'"
    return (
        environment()
        .get_template(f"{template}.html.jinja")
        .render(policy=Markup(policy), style=static("style.css"), script=code, version=__version__, **context)
    )


def render_part(template: str, *, root: str, **context: Any) -> str:
    """Fill in the template of a page of many that share a stylesheet, scripts and pictures, which lie beside them.

    They load what lies in the same site, also where that is a folder that a browser opens by itself, and nothing else;
    scripts run that are files of the site, and no others.

    Parameters
    ----------
    template
        A file in ``templates/``, without ``.html.jinja``.
    root
        The way from the page to the site's folder: empty, or ``../`` once or more.
    context
        See `render`.
    """
    from markupsafe import Markup

    # Browsers differ over whether a file lies beside another one.
    here = "'self' file:"
    policy = f"default-src 'none'; img-src {here} data:; style-src {here} 'unsafe-inline'; script-src {here}"
    return (
        environment()
        .get_template(f"{template}.html.jinja")
        .render(policy=Markup(policy), root=root, version=__version__, **context)
    )


@cache
def environment() -> Environment:
    """Return the environment, made once; it holds no state of any page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("dreamscope.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # JSON knows no NaN: where one gets that far, it is a mistake.
    made.policies["json.dumps_kwargs"] = {"allow_nan": False}
    made.filters |= {"percent": percent, "decimal": decimal}
    return made


def plot(svg: str) -> Markup:
    """Return a plot of our own as part of a page, whose paper and ink it takes."""
    from markupsafe import Markup

    return Markup(svg.replace(style.PAPER, "none").replace(style.INK, "currentColor"))


@cache
def static(name: str) -> Markup:
    """Return a file in ``static/`` as it is, to be put into a page."""
    from markupsafe import Markup

    return Markup(resources.files("dreamscope.pages").joinpath("static", name).read_text("utf-8"))


def percent(share: float, digits: int = 0) -> str:
    """Write a share in percent.

    >>> percent(0.755), percent(0.12345, 1)
    ('76%', '12.3%')
    """
    return f"{decimal(100 * share, digits)}%"


def decimal(value: float, digits: int = 2) -> str:
    """Write a number with so many decimals, and with a minus sign that is as wide as a digit; -0 is 0."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212")


def picture(source: Path | Tensor, *, longest: int | None = None, quality: int = 82) -> str | None:
    """Return a picture as text that a page can hold, or ``None`` if its file is no longer there.

    Parameters
    ----------
    source
        A file or an image (1, 3, H, W).
    longest
        Pixels of its longer side at most.
    quality
        Of the JPEG, 1 to 95.
    """
    try:
        found: Image.Image = images.to_pil(images.read(source))
    except DreamscopeError:
        return None
    if longest is not None:
        found.thumbnail((longest, longest))
    return images.data_uri(found, quality=quality)
