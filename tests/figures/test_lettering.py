from __future__ import annotations

import pytest

from dreamscope.figures.lettering import lines_in, shortened, width_of


@pytest.mark.parametrize(
    "text",
    [
        "two words",
        "a very long title about several things at once, over layers and steps",
        "0.5*blocks.4.2.conv_pwl:17,19-21@7,7",
        "IMG_20260721_183045_HDR_portrait.jpeg",
        "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "photos/Bären am Fluß/Ausflug.jpg",
    ],
)
@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("width", [30, 90, 200, 2000])
def test_nothing_is_lost_and_nothing_too_wide(text: str, bold: bool, width: int) -> None:
    lines = lines_in(text, width, bold=bold)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width_of(line, bold=bold) <= width for line in lines)
    assert all(lines)


def test_it_breaks_between_words_then_after_signs_then_anywhere() -> None:
    assert lines_in("short", 200) == ["short"]
    assert lines_in("all of them high", 65) == ["all of", "them", "high"]
    assert lines_in("holidays/mountain.jpg", 74) == ["holidays/", "mountain.", "jpg"]
    assert lines_in("see holidays/mountain.jpg", 80)[0] == "see"
    assert lines_in("", 80) == []
    # Narrower than any letter: one a line.
    assert lines_in("abc", 1) == ["a", "b", "c"]


def test_shortened_texts_keep_both_ends() -> None:
    assert shortened("short", 200) == "short"
    cut = shortened("blocks.4.2.conv_pwl:17 and a long tail @7,7", 120)
    assert "…" in cut
    assert cut.startswith("block")
    assert cut.endswith("7,7")
    assert shortened("wide", 1) == "…"
