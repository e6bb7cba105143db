from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from nets import hooks_on

from dreamscope import images
from dreamscope.dissection import single_ablation
from dreamscope.dissection.dissect import dissect
from dreamscope.dissection.scores import ChannelScores
from dreamscope.dissection.search import METHODS, Search
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap
from dreamscope.photos import Photo, find

RED = 8


def others(coloured: Path) -> list[Path]:
    return [coloured / "green", coloured / "blue"]


@pytest.mark.parametrize("method", METHODS)
def test_the_planted_channel_is_found_first_by_all_but_frequency(
    planted: Classifier, coloured: Path, method: str
) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_name="red", layers=["act"], method=[method])
    assert (int(scores.ranking()[0]) == RED) == (method != "frequency")
    assert str(scores.address(RED)) == "act:8"
    assert scores.counts == {"targets": 24, "controls": 48}
    assert hooks_on(planted.module) == 0


def test_what_is_measured_beside(planted: Classifier, coloured: Path) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_name=2, layers=["act"], method=["contrast"])
    assert scores.numbers["auc"][RED] == 1
    # Green photos excite it more than red ones, blue ones about as much.
    assert float(scores.numbers["auc"][6]) == pytest.approx(0.25, abs=0.05)
    assert scores.numbers["control_mean"][RED] == 0
    means = [planted.prepared(images.read(path)).mean((2, 3)) for path in sorted((coloured / "red").iterdir())]
    red = torch.cat(means)
    assert scores.numbers["target_mean"][RED].item() == pytest.approx(
        float((2 * red[:, 0] - red[:, 1] - red[:, 2]).mean()), rel=0.02
    )


def test_the_class_is_read_off_the_photos(planted: Classifier, coloured: Path) -> None:
    assert dissect(planted, coloured / "red", others(coloured), method=["contrast"]).label == "red"


def test_controls_of_the_class_are_left_out(planted: Classifier, coloured: Path) -> None:
    scores = dissect(planted, coloured / "red", coloured, class_name="red", method=["contrast"])
    assert scores.counts == {"targets": 24, "controls": 48}


def test_one_labels_file_for_both(planted: Classifier, coloured: Path) -> None:
    rows = [f"{path.relative_to(coloured)},{path.parent.name}" for path in sorted(coloured.rglob("*.png"))]
    (coloured / "all.csv").write_text("\n".join(["file,label", *rows]))
    scores = dissect(planted, coloured / "all.csv", coloured / "all.csv", class_name="red", method=["contrast"])
    assert scores.counts == {"targets": 24, "controls": 48}


def test_unreadable_photos_are_skipped_and_reported(planted: Classifier, coloured: Path) -> None:
    (coloured / "red" / "torn.png").write_bytes(b"\x89PNG nothing")
    scores = dissect(planted, coloured / "red", others(coloured), class_name="red", method=["contrast"])
    assert scores.counts["targets"] == 24
    assert list(scores.unreadable) == ["torn.png"]


def test_agreement_and_a_journey_to_disk(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_name="red", method=["contrast", "attribution"])
    assert set(scores.agreement()) == {("contrast", "attribution")}
    again = ChannelScores.load(scores.save(tmp_path / "scores.json"), planted)
    assert torch.allclose(again.scores["contrast"], scores.scores["contrast"], rtol=1e-4)
    assert again.recipe == scores.recipe
    assert str(tmp_path) not in (tmp_path / "scores.json").read_text()


def test_the_same_call_gives_the_same(planted: Classifier, coloured: Path) -> None:
    first, second = (
        dissect(planted, coloured / "red", others(coloured), class_name="red", method=["joint"]) for _ in range(2)
    )
    assert torch.equal(first.scores["joint"], second.scores["joint"])


@pytest.mark.parametrize(("aim", "expected"), [("answer", {RED}), ("readout", {6, 7, RED})])
def test_what_is_aimed_at(planted: Classifier, coloured: Path, aim: str, expected: set[int]) -> None:
    # Without its own channel red is no answer any more, but still what excites neither green's nor blue's.
    search = Search(planted, 2, ["act"], find(others(coloured)), ["joint"], aim=aim, until_enough=True)
    assert expected <= set(search.run(find(coloured / "red")).ranking().tolist())
    assert (expected == {RED}) == (6 not in search.run(find(coloured / "red")).ranking())


def test_aims_that_cannot_be(planted: Classifier, vgg: Classifier, coloured: Path) -> None:
    rest = find(others(coloured))
    with pytest.raises(DreamscopeError, match="no aim 'reading'"):
        Search(planted, 2, ["act"], rest, ["joint"], aim="reading")
    with pytest.raises(DreamscopeError, match=r"the features at 'act'.* don't depend on 'head'"):
        Search(planted, 2, ["head"], rest, ["joint"], aim="readout")


def test_single_is_the_loss_that_was_measured(planted: Classifier, coloured: Path) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_name="red", layers=["act"], method=["single"])
    assert (scores.scores["single"][:6] == 0).all()
    assert scores.scores["single"][RED] > 1


def test_an_interrupted_scan_resumes_where_it_was(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_ablation, "BATCH", 32)
    done: list[int] = []

    def stop_at_six(what: str, count: int, _total: int) -> None:
        if what.startswith("removing"):
            done.append(count)
            if count >= 6 and len(done) < 5:
                raise KeyboardInterrupt

    arguments = (planted, coloured / "red", others(coloured))
    options = {"class_name": "red", "layers": ["act"], "method": ["single"]}
    with pytest.raises(KeyboardInterrupt):
        dissect(*arguments, **options, callback=stop_at_six)
    assert done == [2, 4, 6]
    resumed: list[int] = []
    scores = dissect(
        *arguments, **options, callback=lambda what, count, _: resumed.append(count) if "removing" in what else None
    )
    assert resumed == [8, 9]
    monkeypatch.setenv("DREAMSCOPE_CACHE", str(coloured / "other"))
    whole = dissect(*arguments, **options)
    assert torch.allclose(scores.scores["single"], whole.scores["single"], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_name": "rad"}, "no class 'rad' in .*did you mean 'red'"),
        ({"class_name": "17"}, "class 17 is out of range"),
        ({"method": ["contrst"]}, "no method 'contrst'.*did you mean 'contrast'"),
        ({"method": []}, "no method given"),
        ({"layers": ["akt"]}, "no layer 'akt'"),
        ({"from_layer": "head"}, "no layer of .* from 'head' on"),
    ],
)
def test_refusals(planted: Classifier, coloured: Path, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        dissect(planted, coloured / "red", others(coloured), **{"class_name": "red", **options})


def test_until_enough(planted: Classifier, coloured: Path) -> None:
    given = (planted, coloured / "red", others(coloured))
    ranked, enough = (dissect(*given, class_name="red", method="joint", until_enough=each) for each in (False, True))
    assert len(enough.ranking()) <= len(ranked.ranking())
    assert enough.enough == ranked.enough
    assert enough.ranking().tolist() == ranked.ranking().tolist()[: len(enough.ranking())]


def test_too_few_photos(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DreamscopeError, match="holds no photos"):
        dissect(planted, empty, others(coloured), class_name="red")
    shutil.copy(coloured / "red" / "0.png", empty)
    with pytest.raises(DreamscopeError, match="1 readable photo of the targets; at least 2"):
        dissect(planted, empty, others(coloured), class_name="red")
    with pytest.raises(DreamscopeError, match="used for finding, or are labelled 'red'"):
        dissect(planted, empty, [Photo(path, "red") for path in (coloured / "red").iterdir()], class_name="red")
    (coloured / "green" / "x.txt").write_text("no photo")
    with pytest.raises(DreamscopeError, match=r"of the targets|0 of 1 photos"):
        dissect(planted, coloured / "green" / "x.txt", others(coloured), class_name="red")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"dreamscope_scores": 1}', '{"dreamscope": {}}', "\x00"])
def test_foreign_scores(tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(DreamscopeError, match="holds no channel scores"):
        ChannelScores.load(tmp_path / "scores.json")


def test_scores_of_another_network(planted: Classifier, vgg: Classifier, coloured: Path, tmp_path: Path) -> None:
    scores = dissect(planted, coloured / "red", others(coloured), class_name="red", method=["contrast"])
    scores.save(tmp_path / "scores.json")
    with pytest.raises(DreamscopeError, match="no 'act' of 9 channels here"):
        ChannelScores.load(tmp_path / "scores.json", vgg)


def test_tokens(tokens: Classifier, coloured: Path) -> None:
    model = wrap(tokens.module, input_size=32, labels=list("abcde"))
    scores = dissect(
        model,
        coloured / "red",
        others(coloured),
        class_name="a",
        layers=["mlp"],
        method=["joint", "contrast", "attribution"],
    )
    assert len(scores.scores["joint"]) == 16


@pytest.mark.embedded
@pytest.mark.shared
def test_bees(lite0: Classifier, shared: Path) -> None:
    bees = sorted((shared / "photos" / "bee" / "train").iterdir())[:12]
    other = sorted((shared / "photos" / "imagenet600").iterdir())[:24]
    scores = dissect(lite0, bees, other, from_layer="blocks.5", method=["contrast", "attribution"])
    assert scores.label == "bee"
    best = scores.ranking()[:10]
    assert (scores.numbers["auc"][best] > 0.9).all()
    assert set(scores.layers) == {f"blocks.{n}.bn2.act" for n in ("5.0", "5.1", "5.2", "5.3", "6.0")} | {"bn2.act"}
