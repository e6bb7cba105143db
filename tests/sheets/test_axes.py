from __future__ import annotations

import torch

from dreamscope.sheets.axes import names_of


def test_photos_are_called_by_as_much_as_tells_them_apart() -> None:
    assert names_of(["/x/a/one.jpg", "/x/b/one.jpg", "/x/b/two.jpg"]) == ["a/one.jpg", "b/one.jpg", "two.jpg"]
    assert names_of(["/a/photos/one.jpg", "/b/photos/one.jpg"]) == ["a/photos/one.jpg", "b/photos/one.jpg"]
    assert names_of(["one.jpg", "b/one.jpg", "/one.jpg"]) == ["one.jpg", "b/one.jpg", "/one.jpg"]
    assert names_of(["a/one.jpg", "a/one.jpg"]) == ["one.jpg", "one.jpg"]
    assert names_of(["gray", torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)]) == [
        "gray",
        "a picture in memory",
        "a picture in memory",
    ]
