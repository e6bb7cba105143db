from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from nets import Linear, hooks_on
from PIL import Image
from torch import nn

from dreamscope import images
from dreamscope.errors import DreamscopeError
from dreamscope.exploration import embedding
from dreamscope.exploration.embedding import before_logits
from dreamscope.exploration.knn import agreement, nearest
from dreamscope.exploration.projections import METHODS, pca
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


def test_nearest_on_paper() -> None:
    points = np.array([[0.0], [1], [1], [5]])
    found = nearest(points, 2)
    # A copy of it is a neighbour, itself is none.
    assert [set(row) for row in found.tolist()] == [{1, 2}, {0, 2}, {0, 1}, {1, 2}]
    assert found[1, 0] == 2
    assert nearest(points, 9).shape == (4, 3)


def clusters(apart: float, each: int = 20) -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(0)
    middles = np.eye(4) * apart
    points = np.concatenate([random.normal(middle, 1, (each, 4)) for middle in middles])
    return points, [name for name in "abcd" for _ in range(each)]


def test_neighbours_in_separated_clusters_agree() -> None:
    points, labels = clusters(100)
    found = agreement(points, labels)
    assert (found.k, found.count, found.overall) == (5, 80, 1)
    assert found.labels == dict.fromkeys("abcd", 1)


def test_neighbours_of_shuffled_labels_agree_by_chance() -> None:
    points, labels = clusters(100, each=100)
    shuffled = np.random.default_rng(1).permutation(labels).tolist()
    # Four labels, equally frequent: a quarter by chance; the interval is three standard errors.
    assert agreement(points, shuffled).overall == pytest.approx(0.25, abs=0.065)


def test_agreement_on_paper() -> None:
    points = np.array([[0.0], [1], [2], [10], [11], [30], [10.4]])
    labels = ["a", "a", "b", "b", "b", "alone", None]
    found = agreement(points, labels, 1)
    # 0 and 1 find each other; 2 finds 1, an a; 10 and 11 find each other, whatever lies unlabelled between.
    assert found.labels == {"b": pytest.approx(2 / 3), "a": 1}
    assert list(found.labels) == ["b", "a"]  # the most frequent first
    assert (found.count, found.overall) == (5, 0.8)
    # Of two, one each: the nearer decides.
    assert agreement(np.array([[0.0], [1], [-2]]), ["a", "a", "b"], 2).labels == {"a": 1}
    none = agreement(points[:2], ["a", "b"])
    assert (none.count, none.labels) == (0, {})
    assert np.isnan(none.overall)


def test_a_copy_of_a_photo_is_a_neighbour_and_the_photo_itself_is_not() -> None:
    points = np.array([[0.0], [0], [5], [5], [9], [9]])
    assert agreement(points, list("ababab"), 1).overall == 0


def test_pca_on_paper() -> None:
    # Five times as wide along (1, 1, 0) as along (0, 0, 1), and a little along (1, -1, 0).
    axes = np.array([[1, 1, 0], [0, 0, 1], [1, -1, 0]]) / np.array([[2**0.5], [1], [2**0.5]])
    along = np.array([[5, 0, 0], [-5, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.1], [0, 0, -0.1]])
    plane, names = pca(along @ axes + 3, 0)
    assert np.allclose(np.abs(plane), np.abs(along[:, :2]), atol=1e-9)
    assert names == ("first principal component, 96 % of the variance", "second, 4 % of the variance")


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_a_map_of_three_colours(planted: Classifier, coloured: Path, method: str) -> None:
    found = embedding.map(planted, coloured, method=method)
    assert found.layer == "act"  # not the head, which puts out the logits
    assert len(found.points) == 72
    assert found.counts == {"blue": 24, "green": 24, "red": 24}
    assert found.features.overall == 1
    assert found.plane.overall == 1
    assert all(point.prediction.label == point.label == point.photo.path.parent.name for point in found.points)
    assert found.thumbnails.shape == (72, 3, 64, 64)
    first = images.read(found.points[0].photo.path).mean((0, 2, 3))
    assert torch.allclose(found.thumbnails[0].float().mean((1, 2)) / 255, first, atol=0.01)
    assert (found.axes is None) == (method == "tsne")
    again = embedding.map(planted, coloured, method=method)
    assert again.points == found.points
    assert hooks_on(planted.module) == 0


def test_the_features_are_the_layers_means(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watched(features: np.ndarray, seed: int) -> tuple[np.ndarray, None]:
        seen.append(features)
        return features[:, :2], None

    monkeypatch.setitem(METHODS, "pca", watched)
    found = embedding.map(planted, coloured / "red", "act:8,7", method="pca")
    (features,) = seen
    means = torch.cat([images.read(point.photo.path).mean((2, 3)) for point in found.points])
    assert features.shape == (24, 2)
    assert np.allclose(features[:, 1], 2 * means[:, 0] - means[:, 1] - means[:, 2], atol=1e-5)
    assert [point.x for point in found.points] == features[:, 0].tolist()


def test_labels_that_are_none_of_the_models_and_none_at_all(vgg: Classifier, coloured: Path) -> None:
    one_by_one = sorted((coloured / "red").glob("*.png"))
    found = embedding.map(vgg, [*one_by_one, coloured], method="pca")
    assert {point.label for point in found.points} == {"green", "blue", None}
    assert found.features.count == 48


def test_a_network_without_classes(coloured: Path) -> None:
    net = wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), input_size=16)
    found = embedding.map(net, coloured, method="pca")
    assert found.layer == "1"
    assert {point.prediction for point in found.points} == {None}


def test_tokens(tokens: Classifier, coloured: Path) -> None:
    assert embedding.map(tokens, coloured / "red", method="pca").layer == "mlp"


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "avgpool"), ("squeezenet1_1", "classifier.0"), ("vit_b_16", "encoder")]
)
def test_the_layer_before_the_logits_of_real_shapes(name: str, layer: str) -> None:
    import torchvision

    net = wrap(torchvision.models.get_model(name, weights=None), input_size=224)
    assert before_logits(net) == layer


def test_unreadable_photos_are_skipped_and_reported(planted: Classifier, coloured: Path) -> None:
    (coloured / "red" / "torn.png").write_bytes(b"\x89PNG nothing")
    found = embedding.map(planted, coloured / "red", method="pca")
    assert len(found.points) == 24
    assert list(found.unreadable) == ["torn.png"]


@pytest.mark.parametrize(
    ("at", "options", "message"),
    [
        (None, {"method": "tnse"}, "no method 'tnse'; there are tsne, umap, pca; did you mean 'tsne'"),
        (None, {"neighbours": 0}, "neighbours is 1 or more"),
        ("atc", {}, "no layer 'atc'.*did you mean 'act'"),
        ("*", {}, "is 3 layers; give one, such as head"),
        ("act:1@3,3", {}, "has a position or a weight"),
    ],
)
def test_refusals(planted: Classifier, coloured: Path, at: str | None, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        embedding.map(planted, coloured, at, **options)


def test_too_few_photos_and_nothing_before_the_logits(planted: Classifier, coloured: Path) -> None:
    three = sorted((coloured / "red").iterdir())[:3]
    with pytest.raises(DreamscopeError, match="3 of 3 photos can be read, 4 needed"):
        embedding.map(planted, three)
    net = wrap(nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), input_size=16)
    assert before_logits(net) == "0"
    with pytest.raises(DreamscopeError, match="no layer before its logits"):
        before_logits(wrap(Bare(), input_size=16))
    assert before_logits(wrap(Linear(), input_size=16)) == "conv"  # a map is no answer


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(768, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.flatten(1))


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("at", ["act:8", "act:7,8"])
def test_one_feature_and_two(planted: Classifier, coloured: Path, method: str, at: str) -> None:
    found = embedding.map(planted, coloured, at, method=method)
    places = np.array([(point.x, point.y) for point in found.points])
    assert np.isfinite(places).all()
    assert np.ptp(places[:, 0]) > 0
    if (method, at) == ("pca", "act:8"):
        # Along one line, in the order of the feature.
        assert np.ptp(places[:, 1]) == 0
        assert found.axes == ("first principal component, 100 % of the variance", "second, 0 % of the variance")


def test_features_that_are_the_same_for_all_photos(planted: Classifier, tmp_path: Path) -> None:
    for index in range(5):
        images.write(torch.full((1, 3, 16, 16), 0.5 + 0.01 * index), tmp_path / f"{index}.png")
    # Gray: twice red less green and blue is nothing, always.
    with pytest.raises(DreamscopeError, match="the features at 'act:8' are the same for all photos"):
        embedding.map(planted, tmp_path, "act:8")


def test_it_shows_itself_in_a_notebook(planted: Classifier, coloured: Path) -> None:
    found = embedding.map(planted, coloured, "act:8", method="pca", recipe=False)
    assert found.recipe is None
    assert found.to_dict()["recipe"] is None
    shown = Image.open(io.BytesIO(found._repr_png_()))
    assert shown.size == (640, 640)
    # One line, from one side to the other.
    pixels = np.asarray(shown)
    assert (pixels[:, :30] < 255).any()
    assert (pixels[:, -30:] < 255).any()


def test_umap_is_asked_for_by_name(planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "find_spec", lambda name: None)
    with pytest.raises(DreamscopeError, match="umap is not installed: pip install umap-learn"):
        embedding.map(planted, coloured, method="umap")


def test_umap_where_it_is_installed(planted: Classifier, coloured: Path) -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    assert isinstance(sys.modules["umap"], ModuleType)
    assert embedding.map(planted, coloured, method="umap").plane.overall == 1


@pytest.mark.embedded
@pytest.mark.shared
def test_bees_lie_among_bees(lite0: Classifier, shared: Path) -> None:
    found = embedding.map(
        lite0, [shared / "photos" / "bee" / "val", shared / "photos" / "kelpie_controls"], method="pca"
    )
    assert found.layer == "global_pool"
    assert found.features.labels["bee"] >= 0.9
