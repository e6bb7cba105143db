from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from blindings import made, scores_of

from dreamscope.dissection.found_channels import FoundChannels
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.objectives.targets import targets
from dreamscope.pages import report
from dreamscope.recipes import Recipe


def test_scores_the_strongest_first(tmp_path: Path, vgg: Classifier) -> None:
    scores = replace(scores_of(methods=("contrast",)), scores={"contrast": torch.arange(20.0) - 10})
    found = FoundChannels.load(scores.save(tmp_path / "scores.json"))
    # Only scores above 0: the nine last channels.
    assert found.texts() == [f"features.4:{channel}" for channel in range(11, 2, -1)]
    assert found.first(2).texts() == ["features.4:11", "features.4:10"]
    assert found.recipe is not None
    assert found.recipe.model == {"name": "small"}
    found.check(vgg)


def test_a_blindings_report_holds_the_removed_ones(tmp_path: Path, vgg: Classifier) -> None:
    blinding = made(tmp_path, units="both")
    (tmp_path / "report.json").write_text(json.dumps(report.as_dict(blinding)))
    found = FoundChannels.load(tmp_path / "report.json")
    # The direction that was erased too is no channel.
    assert found.addresses == tuple(each.address for each in blinding.removed if each.number is None)
    assert len(found.addresses) == 2
    assert found.recipe == blinding.recipe
    found.check(vgg)


def test_their_sum_counts_each_channel_the_same(tmp_path: Path, vgg: Classifier) -> None:
    found = FoundChannels.load(scores_of().save(tmp_path / "scores.json"))
    some = replace(found, addresses=tuple(target.terms[0] for target in targets(vgg, ["4:3", "1:2", "4:5"])))  # type: ignore[arg-type]
    assert some.total() == "2*features.4:3,5 + features.1:2"
    seen = {"features.4": torch.rand((1, 12, 4, 4)), "features.1": torch.rand((1, 8, 8, 8))}
    (target,) = targets(vgg, [some.total()])
    single = sum(seen[layer][:, channel].mean() for layer, channel in (("features.4", 3), ("features.1", 2)))
    assert float(target.objective("mean")(seen)) == pytest.approx(float(single + seen["features.4"][:, 5].mean()))
    assert replace(some, addresses=some.addresses[::2]).total() == "features.4:3 + features.4:5"
    assert len(targets(vgg, replace(some, addresses=some.addresses[::2]).total())) == 1


def test_a_blinding_of_directions(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report.as_dict(made(tmp_path, units="directions"))))
    with pytest.raises(DreamscopeError, match=r"erased directions, not channels; .*: --directions"):
        FoundChannels.load(tmp_path / "report.json")


@pytest.mark.parametrize(
    "content",
    ["no json", "[]", "3", "{}", '{"recipe": null}', '{"removed": [{}], "recipe": null}', '{"dreamscope": {}}'],
)
def test_files_without_channels(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DreamscopeError, match=r"a.json' holds no channels; give scores of dreamscope dissect -o"):
        FoundChannels.load(tmp_path / "a.json")


def test_no_channel_that_carries_the_class(tmp_path: Path) -> None:
    scores = replace(scores_of(methods=("contrast",)), scores={"contrast": -torch.ones(20)})
    with pytest.raises(DreamscopeError, match="holds no channel that carries the class"):
        FoundChannels.load(scores.save(tmp_path / "scores.json"))
    (tmp_path / "a.json").write_text(json.dumps({"removed": [], "recipe": None}))
    with pytest.raises(DreamscopeError, match="holds no channel that carries the class"):
        FoundChannels.load(tmp_path / "a.json")


def test_another_network_is_named(tmp_path: Path, residual: Classifier) -> None:
    found = FoundChannels.load(scores_of().save(tmp_path / "scores.json"))
    with pytest.raises(DreamscopeError, match=r"is of small, not of .*: no 'features.1' of 8 channels here"):
        found.check(residual)
    recipe = Recipe("blind", {"name": "small"}, {}, {}, "0")
    content = {"removed": [{"address": "conv1:9", "number": None}], "recipe": json.loads(recipe.to_json())}
    (tmp_path / "report.json").write_text(json.dumps(content))
    report_of_it = FoundChannels.load(tmp_path / "report.json")
    with pytest.raises(DreamscopeError, match=r"is of small, not of .*: no 'conv1:9' here$"):
        report_of_it.check(residual)
