from __future__ import annotations

from dreamscope.exploration.patches import Window

PICTURE = (200, 200)


def test_of_a_large_field_the_middle_is_closer() -> None:
    window = Window((10, 10), (341, 341), (-160, -160), (20, 20))
    assert window.box(55, PICTURE) == (0, 0, 200, 200)
    top, left, bottom, right = window.closer(PICTURE, 0.5).box(55, PICTURE)
    assert (bottom - top, right - left) == (100, 100)
    # The field of position (5, 5) has its middle at 100 + 10.5.
    assert ((top + bottom) / 2, (left + right) / 2) == (110, 110)


def test_a_small_field_and_the_whole_picture_stay() -> None:
    small, whole = Window((10, 10), (21, 21), (0, 0), (20, 20)), Window((), None, (0, 0), (1, 1))
    assert small.closer(PICTURE) == small
    assert whole.closer(PICTURE) == whole
