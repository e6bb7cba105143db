from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dreamscope import images
from dreamscope.microscope.items import channel_pictures, trust
from dreamscope.microscope.items.base import Item, webp
from dreamscope.microscope.items.bench import Bench
from dreamscope.models.wrapping import wrap


class EitherColour(nn.Module):
    """A channel that red and blue excite alike; `first` still tells them apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1, bias=False)
        self.second = nn.Conv2d(3, 2, 1, bias=False)
        self.first.weight.data = torch.eye(3)[..., None, None]
        self.second.weight.data = torch.tensor([[1.0, -1, 1], [0, 1, 0]])[..., None, None]

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(images).relu()).mean((2, 3))


def spot(colour: int, place: int) -> Tensor:
    """A gray picture in which one part has a colour."""
    picture = torch.full((1, 3, 16, 16), 0.4)
    picture[..., place : place + 8, place : place + 8] = 0.1
    picture[:, colour, place : place + 8, place : place + 8] = 0.9
    return picture


def test_a_picture_that_excites_by_what_no_photo_has_is_marked(tmp_path: Path) -> None:
    model = wrap(EitherColour(), input_size=16, labels=["one", "other"])
    photos: dict[int, str] = {}
    # Red ones, in several places; random ones of all colours.
    for number in range(12):
        images.write(spot(0 if number < 6 else number % 3, number % 6), tmp_path / f"{number}.png")
        photos[number] = str(tmp_path / f"{number}.png")
    chosen = [list(range(6)), [7, 10]]
    settings = {"layer": "second", "before": ["first"], "chosen": chosen, "random": list(range(6, 12))}
    item = Item(trust.KIND, "second", settings, photos=photos).seeing("channel-pictures/second/most/0-1")
    name = channel_pictures.name_of("second", 0, "most") + ".webp"
    found = {}
    for colour in (0, 2):
        body = np.frombuffer(webp(spot(colour, 4)), np.uint8)
        made = trust.make(Bench(model, ("first", "second")), item, {item.needs[0]: {name: body}})
        found[colour] = made.numbers
    red, blue = found[0], found[2]
    assert not red["other_path"][0]
    assert blue["other_path"][0]
    assert red["picture"][0] > 0.95
    assert red["photos"][0] > 0.95
    assert blue["picture"][0] < red["random"][0] < red["picture"][0]
    # Of the other channel there is no picture.
    assert np.isnan(red["picture"][1])
    assert not red["other_path"][1]


def test_without_photos_nothing_is_known(tmp_path: Path) -> None:
    model = wrap(EitherColour(), input_size=16, labels=["one", "other"])
    settings = {"layer": "second", "before": ["first"], "chosen": [[0, 1], []], "random": [0, 1]}
    item = Item(trust.KIND, "second", settings, photos={0: str(tmp_path / "gone.png"), 1: str(tmp_path / "too.png")})
    name = channel_pictures.name_of("second", 0, "most") + ".webp"
    body = np.frombuffer(webp(spot(0, 4)), np.uint8)
    made = trust.make(Bench(model, ("first", "second")), item, {"channel-pictures": {name: body}})
    assert np.isnan(made.numbers["picture"]).all()
    assert not made.numbers["other_path"].any()
