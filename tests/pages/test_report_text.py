from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from blindings import READ, made, readouts_of

from dreamscope.dissection.blinding import Blinding
from dreamscope.dissection.intervals import Estimate, share
from dreamscope.pages import report_text


@pytest.fixture
def blinding(tmp_path: Path) -> Blinding:
    """Of 121 photos 106 before and none after; 5 of 516 right answers lost; 1 of 20 found by a probe, before 19."""
    found = made(tmp_path, "bee", units="directions")
    result = replace(
        found.result,
        recall_before=share([1] * 106 + [0] * 15),
        recall_after=share([0] * 121),
        top1_before=share([1] * 516 + [0] * 84),
        loss=Estimate(500 / 600, -0.5, 2.2, 600),
        labelled=600,
    )
    return replace(found, result=result)


def test_a_lay_reader_is_told_in_whole_numbers(blinding: Blinding) -> None:
    assert report_text.lay(blinding) == (
        "Of 121 photos of bee that were kept out of the edit, the network recognised 106 before and none now. "
        "Of its 516 right answers on photos of other things it lost 5. "
        "A fresh probe (a simple detector, trained on what is left inside the network) finds 1 of 20 photos of bee; "
        "before the edit it found 19."
    )


def test_a_probe_that_found_little_before_proves_nothing(blinding: Blinding) -> None:
    none = {
        name: replace(each, positives=(0.0,) * 20, negatives=(1.0,) * 100)
        for name, each in blinding.intact.readouts.items()
    }
    trials = tuple(replace(each, readouts=none) if each is blinding.intact else each for each in blinding.trials)
    assert report_text.lay(replace(blinding, trials=trials)).endswith("it found none, so this proves nothing.")


@pytest.mark.parametrize(
    ("value", "labelled", "said"),
    [
        (0.0, 600, "Of its 516 right answers on photos of other things it lost none."),
        (-0.5, 600, "On 600 photos of other things it gives 3 more right answers than before (516)."),
        (0.5, 0, "Of its answers on 600 photos of other things, 3 changed."),
        (0.5, 300, "On 600 photos of other things it lost 3 right answers, or changed them."),
    ],
)
def test_what_it_cost(blinding: Blinding, value: float, labelled: int, said: str) -> None:
    loss = replace(blinding.result.loss, value=value)
    changed = replace(blinding, result=replace(blinding.result, loss=loss, labelled=labelled))
    assert said in report_text.lay(changed)


def test_without_a_probe_nothing_is_said_of_what_is_left(blinding: Blinding) -> None:
    bare = replace(blinding, trials=tuple(replace(each, readouts={}) for each in blinding.trials))
    assert "whether the class can still be read is not known" in report_text.lay(bare)
    assert "No fresh probe was trained" in " ".join(report_text.measured(bare))


def test_where_it_can_be_read(blinding: Blinding) -> None:
    said = report_text.where_readable(blinding)
    assert f"The edit begins at {READ[-1]}" in said
    assert f"At {READ[-1]}, which the answer is made from, it finds 5%, of the network as it was 95%." in said
    assert f"Most can still be read at {READ[1]}: 70%." in said
    *others, chosen = blinding.trials
    nowhere = replace(blinding, trials=(*others, replace(chosen, readouts=readouts_of(0, 0, 1))))
    assert "Most can still be read" not in report_text.where_readable(nowhere)


@pytest.mark.parametrize(
    ("units", "said"),
    [("both", "2 channels and 1 direction"), ("channels", "2 channels"), ("directions", "1 direction")],
)
def test_what_was_taken(tmp_path: Path, units: str, said: str) -> None:
    assert report_text.taken(made(tmp_path, units=units)) == said


def test_a_statistician_finds_the_methods(blinding: Blinding) -> None:
    said = " ".join(report_text.measured(blinding))
    for name in ("Wilson", "Bonett and Price", "Hanley and McNeil", "bootstrap", "20 scores", "100 of others"):
        assert name in said
    assert "at most 10% at features.5" in said
    assert "are few" not in said
