"""What an atlas knows of a layer, a channel, a photo or a class: plain records, as pages show them."""

from __future__ import annotations

from dataclasses import dataclass

from dreamscope.exploration.patches import Window


@dataclass(frozen=True)
class Layer:
    """A layer of the atlas.

    Attributes
    ----------
    name, place : str
        The layer, and the part of a path that stands for it.
    type : str
        The module's class.
    channels, first : int
        How many channels it has, and the number of the first one among those of all layers.
    grid : tuple of int
        Its positions: (rows, columns) of a map.
    field : tuple of int or None
        Pixels that one position can depend on, (rows, columns); ``None`` is the whole photo.
    window : Window
        The parts of photos that are shown.
    """

    name: str
    place: str
    type: str
    channels: int
    first: int
    grid: tuple[int, ...]
    field: tuple[int, int] | None
    window: Window


@dataclass(frozen=True)
class Photo:
    """A photo: its number, its file's name, its class, its picture, and what the network says of it.

    Attributes
    ----------
    picture : str or None
        A path in the site, if there is a picture of it.
    answers : tuple of (int, float)
        Classes and their probabilities, the likeliest first.
    """

    number: int
    name: str
    index: int | None
    picture: str | None = None
    answers: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Patch:
    """A square of a strip of patches: the strip's path in the site, which one it is, and of how many."""

    strip: str
    at: int
    of: int


@dataclass(frozen=True)
class Exemplar:
    """A part of a photo that excites a channel.

    Attributes
    ----------
    box : tuple of float or None
        (top, left, bottom, right) in the photo, 0 to 1; ``None`` is the whole photo.
    """

    photo: Photo
    patch: Patch | None
    value: float
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Spread:
    """How a channel responds to photos: each photo's response is the mean activation over positions.

    Attributes
    ----------
    mean, deviation : float
        Over the photos.
    positive : float
        The share of photos with a response above 0.
    loud : float
        The share of photos for which it was among the loudest of its layer.
    counts : tuple of int
        The photos in each bin, see `Responses.edges`.
    """

    mean: float
    deviation: float
    positive: float
    loud: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Trust:
    """How alike a channel's inputs are to those in its exemplars, as cosines.

    Attributes
    ----------
    picture, photos, random : float
        Those in the picture from noise, in the other exemplars, and in random photos.
    other_path : bool
        The picture is less alike than half of the random photos.
    """

    picture: float
    photos: float
    random: float
    other_path: bool


@dataclass(frozen=True)
class Blinding:
    """What switching channels off did: which ones, and [before, after, of] photos of the class and of others."""

    off: tuple[str, ...]
    recognised: tuple[int, int, int]
    others: tuple[int, int, int]


@dataclass(frozen=True)
class Cell:
    """A cell of an activation atlas: where, how many patches it stands for, and the class that it argues for."""

    row: int
    column: int
    count: int
    index: int | None


@dataclass(frozen=True)
class Map:
    """An activation atlas: its picture's path, its rows and columns, and its cells."""

    picture: str
    rows: int
    columns: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Thumb:
    """A link to a channel or a class, with its pictures: one from noise, and the best patch of a photo."""

    name: str
    href: str
    picture: str | None = None
    patch: Patch | None = None
    note: str = ""
    weight: float = 0.0
    bar: float = 0.0
    title: str = ""


@dataclass(frozen=True)
class Tile:
    """A channel in the grid of its layer, with the numbers that it can be sorted by; the higher, the earlier."""

    number: int
    thumb: Thumb
    mean: float
    sparse: float
    trust: float
    other_path: bool


@dataclass(frozen=True)
class Shown:
    """A photo that opens: what it is called, where it leads, and what the network says of it."""

    photo: Photo
    label: str | None
    href: str | None
    answers: tuple[tuple[str, str | None, float], ...]
    patch: Patch | None = None
    box: tuple[float, float, float, float] | None = None
    value: float | None = None
    channel: Thumb | None = None
