from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from archived import imaged, parquet_of, tar_of
from nets import hooks_on, seeded
from PIL import Image
from torch import nn

from dreamscope import files, images
from dreamscope.errors import DreamscopeError
from dreamscope.exploration.exemplar_index import Exemplars
from dreamscope.exploration.exemplars import Best, exemplars
from dreamscope.exploration.patches import windows
from dreamscope.models.classifier import Classifier
from dreamscope.models.erase import Erase
from dreamscope.models.wrapping import wrap
from dreamscope.photos import Photo

RED = "act:8"


def strength(path: Path) -> tuple[float, float]:
    """What the planted red channel sees in a photo, computed apart from it: its reddest pixel, and all of them."""
    pixels = images.read(path)[0]
    red = (2 * pixels[0] - pixels[1] - pixels[2]).clamp_min(0)
    return round(float(red.max()), 5), float(red.mean())


def test_red_photos_excite_the_red_channel_most_and_in_the_right_order(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured, ["act"], top=5)
    expected = sorted(coloured.rglob("*.png"), key=strength, reverse=True)[:5]
    best = found.of(RED)
    assert [each.photo.path for each in best] == expected
    assert [each.value for each in best] == pytest.approx([strength(path)[0] for path in expected], abs=1e-4)
    assert {each.photo.label for each in best} == {"red"}
    assert {each.photo.label for each in found.of("act:6")} == {"green"}
    assert {each.photo.label for each in found.of("act:7")} == {"blue"}
    assert found.count == 72
    assert hooks_on(planted.module) == 0


def test_a_photo_counts_once_and_where_it_excites_most(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured / "red", ["act"], top=24)
    best = found.of(RED)
    assert len({each.photo.path for each in best}) == 24
    for each in best[:3]:
        row, column = each.position
        pixel = images.read(each.photo.path)[0, :, row, column]
        assert float(2 * pixel[0] - pixel[1] - pixel[2]) == pytest.approx(each.value, abs=1e-5)


def test_directions_rank_photos_by_what_they_read(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    """Red minus green on paper: the plain sums of pixels; and one channel is a direction too."""
    edits = [
        Erase("conv:6,8", [-1.0, 1.0], [-1.0, 1.0]),
        Erase("act", torch.eye(9)[:, 7:], torch.eye(9)[7:]),
        Erase("conv:8", [1.0], [1.0]),
    ]
    found = exemplars(planted, coloured, directions=edits, top=3, least=True)
    assert {name: len(ranked.values) for name, ranked in found.most.items()} == {
        "conv.direction": 2,
        "act.direction": 2,
    }
    channels = exemplars(planted, coloured, ["act:8", "conv"], top=3, least=True)
    for least in (False, True):
        assert found.of("act.direction:1", least=least) == channels.of("act:8", least=least)
        assert found.of("conv.direction:1", least=least) == channels.of("conv:8", least=least)
    # -(2 green - red - blue) + (2 red - green - blue)
    reddest = {path: float((3 * (p[0] - p[1])).max()) for path in coloured.rglob("*.png") for p in images.read(path)}
    best = found.of("conv.direction:0")
    assert [each.value for each in best] == pytest.approx([reddest[each.photo.path] for each in best], abs=1e-4)
    assert [each.value for each in best] == pytest.approx(sorted(reddest.values())[:-4:-1], abs=1e-4)
    assert all(patch is not None for patch in found.patches(planted, ["conv.direction:0"])[0])
    assert found.recipe is not None
    assert (
        exemplars(planted, coloured, directions=found.recipe.parameters["directions"], top=3).of("conv.direction:0")
        == best
    )
    again = Exemplars.load(found.save(tmp_path / "index.json"), planted)
    assert [each.place for each in again.of("conv.direction:0")] == [each.place for each in best]
    assert hooks_on(planted.module) == 0
    with pytest.raises(DreamscopeError, match="addresses or directions, not both"):
        exemplars(planted, coloured, "act", directions=edits)
    with pytest.raises(DreamscopeError, match="has a position or a weight"):
        exemplars(planted, coloured, directions=Erase("conv@1,1", [1.0] * 9, [1.0] * 9))
    with pytest.raises(DreamscopeError, match="each direction has 3 channels, but 'conv' names 9"):
        exemplars(planted, coloured, directions=Erase("conv", [1.0] * 3, [1.0] * 3))


def test_fewer_photos_than_asked_for_and_channels_that_nothing_excites(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured / "green", ["act"], top=1000)
    assert len(found.of("act:6")) == 24
    assert found.of(RED) == []
    assert found.patches(planted, [RED]) == [[]]


def test_least_exciting_on_request(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured, ["conv"], top=3, least=True)
    lows = {path: float((2 * p[0] - p[1] - p[2]).min()) for path in coloured.rglob("*.png") for p in images.read(path)}
    least = found.of("conv:8", least=True)
    assert [lows[each.photo.path] for each in least] == pytest.approx([each.value for each in least], abs=1e-5)
    assert [each.value for each in least] == pytest.approx(sorted(lows.values())[:3], abs=1e-5)
    with pytest.raises(DreamscopeError, match="least exciting photos were not kept"):
        exemplars(planted, coloured, ["conv"]).of("conv:8", least=True)


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("least", [False, True])
def test_batches_make_no_difference(least: bool, parts: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    # Few different values, so that means decide often; and some photos twice, so that the earlier one comes first.
    values = torch.randint(0, 4, (50, 4), generator=generator).float()
    means, places = (torch.randint(0, 9, (50, 4), generator=generator) for _ in range(2))
    by_batch = Best(4, 6, least=least)
    for first in range(0, 50, 7):
        some = slice(first, first + 7)
        part = Best(4, 6, least=least) if parts else by_batch
        part.add(values[some], means[some].float(), places[some], torch.arange(50)[some])
        if parts:
            by_batch.merge(part)
    sign = 1 if least else -1
    for channel in range(4):
        keys = [(sign * values[n, channel].item(), sign * means[n, channel].item(), n) for n in range(50)]
        expected = [number for _, _, number in sorted(keys)[:6]]
        assert by_batch.photos[channel].tolist() == expected
        assert by_batch.values[channel].tolist() == values[expected, channel].tolist()
        assert by_batch.places[channel].tolist() == places[expected, channel].tolist()
    assert by_batch.values.shape == (4, 6)  # memory: no more than asked for, whatever came in


class Clamped(nn.Module):
    """One channel with a ceiling: red of 0.5 and more looks the same to it."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Hardtanh(0, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x[:, :1]).mean((2, 3))


def test_at_a_ceiling_the_photo_with_more_of_it_comes_first(tmp_path: Path) -> None:
    for name, count in (("a", 1), ("b", 9), ("c", 4), ("d", 0)):
        pixels = np.full((16, 16, 3), 40, dtype=np.uint8)
        pixels[0, :count, 0] = 255
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    found = exemplars(wrap(Clamped(), input_size=16), tmp_path, ["act"], least=True)
    assert [each.photo.path.stem for each in found.of("act:0")] == ["b", "c", "a", "d"]
    assert [each.value for each in found.of("act:0")] == pytest.approx([0.5, 0.5, 0.5, 40 / 255])
    assert [each.photo.path.stem for each in found.of("act:0", least=True)] == ["d", "a", "c", "b"]


def test_at_a_ceiling_the_place_is_in_the_midst(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[2, 2] = 255
    pixels[6:11, 8:13] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (best,) = exemplars(wrap(Clamped(), input_size=16), tmp_path, ["act"]).of("act:0")
    assert best.value == 0.5
    assert 7 <= best.position[0] <= 9
    assert 9 <= best.position[1] <= 11


class Saturated(nn.Sequential):
    """Red twenty times over, cut off at 6."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        with torch.no_grad():
            self[0].weight.copy_(torch.tensor([20.0, 0, 0]).view(1, 3, 1, 1))


def test_at_a_ceiling_what_it_cuts_off_tells_photos_and_places_apart(tmp_path: Path) -> None:
    # Of all that reach 6, the fewer pixels the redder: by means the order would be the other way round.
    for name, count, red in (("a", 16, 90), ("b", 9, 140), ("c", 4, 190), ("d", 1, 240), ("e", 200, 60), ("f", 0, 0)):
        pixels = np.zeros((16, 16, 3), dtype=np.uint8)
        pixels.reshape(-1, 3)[:count, 0] = red
        if name == "b":
            pixels[12, 5, 0] = 145
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    net = wrap(Saturated(), input_size=16)
    found = exemplars(net, tmp_path, ["1"], top=6, least=True)
    best = found.of("1:0")
    assert [each.photo.path.stem for each in best] == ["d", "c", "b", "a", "e"]
    assert [each.value for each in best] == pytest.approx([6, 6, 6, 6, 20 * 60 / 255])
    assert best[2].position == (12, 5)
    # The least exciting are those of the activation itself, with their means.
    assert [each.photo.path.stem for each in found.of("1:0", least=True)] == ["f", "d", "c", "b", "a", "e"]
    again = Exemplars.load(found.save(tmp_path / "index.json"), net)
    assert [each.photo.path.stem for each in again.of("1:0")] == ["d", "c", "b", "a", "e"]
    assert set(found.most) == {"1"}
    assert hooks_on(net.module) == 0


class Blobs(nn.Module):
    """One channel that adds up red over 5x5 pixels, every second pixel, without padding."""

    def __init__(self, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 5, stride=2, padding=padding, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = 1
            self.conv.weight[1] = -1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean((2, 3))


def blob(path: Path, top: int, left: int, side: tuple[int, int] = (32, 48)) -> Path:
    pixels = np.zeros((*side, 3), dtype=np.uint8)
    pixels[top : top + 5, left : left + 5, 0] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize(("top", "left"), [(0, 0), (6, 20), (14, 42), (26, 2)])
def test_the_patch_lies_where_the_planted_blob_is(tmp_path: Path, padding: int, top: int, left: int) -> None:
    # In a picture that is not square; on the grid without padding, and as much inside as fits with it.
    net = wrap(Blobs(padding), input_size=(32, 48))
    path = blob(tmp_path / "blob.png", top, left)
    found = exemplars(net, path, ["conv"])
    (best,) = found.of("conv:0")
    rows, columns = (box := best.box)[2] - box[0], box[3] - box[1]
    assert (rows, columns) == (8, 8)  # 5x5 is no picture; grown around its middle
    (patch,) = found.patches(net, ["conv:0"])[0]
    assert patch is not None
    assert float(patch[:, 0].sum()) == best.value == 25
    assert torch.equal(patch, images.read(path)[..., box[0] : box[2], box[1] : box[3]])


def test_closer_patches_are_of_the_middle_of_what_is_seen(tmp_path: Path) -> None:
    # A window of 5x5 in a picture of 8x12: at most 0.45 of that is 4 rows and all 5 columns.
    net = wrap(Blobs(0), input_size=(8, 12))
    found = exemplars(net, blob(tmp_path / "blob.png", 2, 4, side=(8, 12)), ["conv"])
    ((whole,),) = found.patches(net, ["conv:0"], smallest=1)
    ((part,),) = found.closer().patches(net, ["conv:0"], smallest=1)
    assert whole is not None
    assert part is not None
    assert whole.shape == (1, 3, 5, 5)
    assert torch.equal(part, whole[..., :4, :])


def test_windows_are_those_of_the_arithmetic(planted: Classifier) -> None:
    net = wrap(Blobs(2), input_size=(32, 48))
    window = windows(net, ["conv"])["conv"]
    assert (window.grid, window.size, window.start, window.stride) == ((16, 24), (5, 5), (-2, -2), (2, 2))
    assert window.position(25) == (1, 1)
    assert window.box(25, (32, 48), smallest=5) == (0, 0, 5, 5)
    assert window.box(16 * 24 - 1, (32, 48), smallest=5) == (27, 43, 32, 48)  # moved inside
    whole = windows(planted, ["head"])["head"]
    assert whole.position(0) == ()
    assert whole.box(0, (16, 16)) == (0, 0, 16, 16)


def test_tokens_have_no_map(tokens: Classifier, coloured: Path) -> None:
    found = exemplars(tokens, coloured / "red", ["mlp"], top=2)
    best = found.of("mlp:3")[0]
    assert len(best.position) == 1
    assert best.box == (0, 0, 32, 32)


def test_the_numbers_are_those_of_the_plain_network(residual: Classifier, coloured: Path) -> None:
    """Folded or not, every channel of every layer: what a probe-free pass over each photo gives."""
    seeded(residual.module)
    names = ["layer1.0", "layer1.1.bn2"]
    found = exemplars(residual, coloured / "blue", names, top=4)
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    handles = [
        residual.module.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: seen[name].append(out.clone())
        )
        for name in names
    ]
    for path in sorted((coloured / "blue").iterdir()):
        residual(residual.prepared(images.read(path)))
    for handle in handles:
        handle.remove()
    for name in names:
        top = torch.cat(seen[name]).amax((2, 3)).topk(4, dim=0).values.T
        assert torch.allclose(found.most[name].values, top, atol=1e-4)


def test_without_layers_those_that_dissect_ranks(planted: Classifier, coloured: Path) -> None:
    assert list(exemplars(planted, coloured / "red").most) == ["act"]


def test_a_journey_to_disk(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    (coloured / "red" / "torn.png").write_bytes(b"\x89PNG nothing")
    found = exemplars(planted, coloured, ["act", "conv"], top=4, least=True)
    again = Exemplars.load(found.save(tmp_path / "index.json"), planted)
    assert again.recipe == found.recipe
    assert again.unreadable == found.unreadable
    assert (again.count, again.picture, again.windows) == (found.count, found.picture, found.windows)
    for address in (RED, "conv:0"):
        for least in (False, True):
            first, second = found.of(address, least=least), again.of(address, least=least)
            assert [e.photo.path.resolve() for e in second] == [e.photo.path.resolve() for e in first]
            assert [(e.position, e.box, e.photo.label) for e in second] == [
                (e.position, e.box, e.photo.label) for e in first
            ]
            assert [e.value for e in second] == pytest.approx([e.value for e in first], rel=1e-4)
    patches = zip(found.patches(planted, [RED])[0], again.patches(planted, [RED])[0], strict=True)
    assert all(torch.equal(a, b) for a, b in patches)


def test_only_photos_that_are_among_the_first_are_kept(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured, ["act"], top=1)
    assert len(found.photos) <= 9
    assert sum(ranked.photos.max() >= len(found.photos) for ranked in found.most.values()) == 0


def test_the_index_and_its_photos_move_together_and_hold_nobodys_folder(
    planted: Classifier, coloured: Path, tmp_path: Path
) -> None:
    exemplars(planted, coloured, ["act"], top=2).save(coloured / "index.json")
    assert str(tmp_path) not in (coloured / "index.json").read_text()
    moved = coloured.rename(tmp_path / "elsewhere")
    again = Exemplars.load(moved / "index.json", planted)
    assert all(patch is not None for patch in again.patches(planted, [RED])[0])


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_photos_in_archives_are_ranked_and_shown_as_those_in_folders(
    planted: Classifier, coloured: Path, tmp_path: Path, kind: str
) -> None:
    paths = sorted(coloured.rglob("*.png"))
    archive = tmp_path / f"some.{kind}"
    if kind == "tar":
        tar_of(archive, {path.relative_to(coloured).as_posix(): path.read_bytes() for path in paths})
    else:
        labels = [path.parent.name for path in paths]
        parquet_of(archive, {"image": imaged([path.read_bytes() for path in paths]), "label": labels}, rows=10)
    alone, found = exemplars(planted, coloured, ["act"]), exemplars(planted, archive, ["act"])
    for one, other in zip(alone.of(RED), found.of(RED), strict=True):
        assert (one.value, one.place, one.photo.label) == (other.value, other.place, other.photo.label)
    again = Exemplars.load(found.save(tmp_path / "index.json"), planted)
    shown = alone.patches(planted, [RED])[0], again.patches(planted, [RED])[0]
    assert all(torch.equal(*each) for each in zip(*shown, strict=True))
    archive.write_bytes(b"")
    assert again.patches(planted, [RED]) == [[None] * 9]


def test_photos_gone_or_changed_are_not_shown(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured / "red", ["act"], top=3)
    again = Exemplars.load(found.save(coloured / "index.json"))
    first, second, _ = (each.photo.path for each in again.of(RED))
    first.unlink()
    Image.new("RGB", (16, 16), "red").save(second)
    patches = again.patches(planted, [RED])[0]
    assert [patch is None for patch in patches] == [True, True, False]


def test_an_index_may_name_anything_and_ends(
    planted: Classifier, coloured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = exemplars(planted, coloured / "red", "act", top=4).save(coloured / "index.json")
    content = json.loads(index.read_text())
    huge = coloured / "huge.png"
    with huge.open("wb") as file:
        file.truncate(2**40)
    os.mkfifo(coloured / "pipe.png")
    names = ["/dev/zero", str(huge), str(coloured / "pipe.png"), str(coloured)]
    for photo, name in zip(content["photos"], names, strict=False):
        photo["file"] = name
    index.write_text(json.dumps(content))
    # Whatever is not refused before it is read would never end: no file but photos is opened.
    digested: list[Path] = []
    digest = files.digest
    monkeypatch.setattr(files, "digest", lambda path: digested.append(path) or digest(path))
    again = Exemplars.load(index)
    patches = again.patches(planted, [RED])[0]
    shown = [each.photo.path for each in again.of(RED)]
    assert len(shown) == 4
    assert {str(path) for path, patch in zip(shown, patches, strict=True) if patch is None} == {
        str(path) for path in shown if str(path) in names
    }
    assert not {str(path) for path in digested} & set(names)


def test_without_a_recipe_an_index_holds_none(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured / "red", "act", top=2, recipe=False)
    assert found.recipe is None
    assert Exemplars.load(found.save(coloured / "index.json"), planted).recipe is None


def test_it_shows_itself_in_a_notebook(planted: Classifier, coloured: Path) -> None:
    found = exemplars(planted, coloured, "act", top=2)
    table = found._repr_html_()
    assert table.count("<tr>") == 1 + 8
    assert f"<td>act:6</td><td>{found.of('act:6')[0].photo.path.name} (" in table


def test_one_unreadable_photo_among_good_ones(planted: Classifier, coloured: Path, tmp_path: Path) -> None:
    (coloured / "red" / "torn.png").write_bytes(b"\x89PNG nothing")
    seen: list[tuple[int, int]] = []
    found = exemplars(planted, coloured / "red", "act", callback=lambda what, done, total: seen.append((done, total)))
    assert list(found.unreadable) == ["torn.png"]
    assert str(tmp_path) not in found.unreadable["torn.png"]
    assert found.count == 24
    assert seen[-1] == (25, 25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": ["cov"]}, "no layer 'cov'.*did you mean 'conv'"),
        ({"at": ["act:9"]}, "channel 9 is out of range"),
        ({"at": ["act:1@2,2"]}, "has a position or a weight.*such as act:1"),
        ({"at": ["2*act:1"]}, "has a position or a weight"),
        ({"top": 0}, "top is 1 to 1000"),
    ],
)
def test_refusals(planted: Classifier, coloured: Path, options: dict, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        exemplars(planted, coloured, **options)


def test_no_photos(planted: Classifier, tmp_path: Path) -> None:
    with pytest.raises(DreamscopeError, match="holds no photos"):
        exemplars(planted, tmp_path, ["act"])
    (tmp_path / "torn.png").write_bytes(b"")
    with pytest.raises(DreamscopeError, match="0 of 1 photos can be read"):
        exemplars(planted, tmp_path, ["act"])


@pytest.mark.parametrize(
    ("address", "message"),
    [("act", "not one of the 9 channels"), ("act:9", "not one of"), ("act:1,2", "not one of"), ("atc:1", "mean 'act'")],
)
def test_what_is_not_in_the_index(planted: Classifier, coloured: Path, address: str, message: str) -> None:
    with pytest.raises(DreamscopeError, match=message):
        exemplars(planted, [Photo(coloured / "red" / "0.png")], ["act"]).of(address)


def spoilt(content: dict, path: list, value: object) -> str:
    *way, last = path
    inner = content
    for step in way:
        inner = inner[step]
    inner[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["dreamscope_exemplars"], 99, "another version"),
        (["most", "act", "photos", 0, 0], 10**6, "no index of exemplars"),
        (["most", "act", "places", 0], [0], "no index of exemplars"),
        (["most", "act", "values", 0, 0], "loud", "no index of exemplars"),
        (["most", "act", "places", 0, 0], -1, "no index of exemplars"),
        (["windows"], {}, "no index of exemplars"),
        (["windows", "act", "grid"], 3, "no index of exemplars"),
        (["photos", 0], "red/0.png", "no index of exemplars"),
        (["recipe"], {}, "no dreamscope recipe"),
        (["most"], {}, "no index of exemplars"),
    ],
)
def test_damaged_indices_are_refused(
    planted: Classifier, coloured: Path, path: list, value: object, message: str
) -> None:
    index = exemplars(planted, coloured / "red", ["act"], top=2).save(coloured / "index.json")
    index.write_text(spoilt(json.loads(index.read_text()), path, value))
    with pytest.raises(DreamscopeError, match=message) as caught:
        Exemplars.load(index)
    assert "\n" not in str(caught.value)


def test_foreign_indices_are_refused(planted: Classifier, vgg: Classifier, coloured: Path, tmp_path: Path) -> None:
    index = exemplars(planted, coloured / "red", ["act"], top=2).save(tmp_path / "index.json")
    with pytest.raises(DreamscopeError, match="no 'act' of 9 channels here"):
        Exemplars.load(index, vgg)
    larger = wrap(planted.module, input_size=24, name="planted")
    with pytest.raises(DreamscopeError, match="pictures of 16x16 pixels, not 24x24"):
        Exemplars.load(index, larger)
    for text in ("", "[]", "{}", "null", '{"dreamscope_scores": 1}', "\x00"):
        index.write_text(text)
        with pytest.raises(DreamscopeError, match="is no index of exemplars"):
            Exemplars.load(index)
    index.write_bytes(b"\xff\xfe")
    with pytest.raises(DreamscopeError, match="is no index of exemplars"):
        Exemplars.load(index)
    with pytest.raises(DreamscopeError, match="no such index"):
        Exemplars.load(tmp_path / "missing.json")


@pytest.mark.embedded
@pytest.mark.shared
def test_a_channel_that_dissect_finds_for_bees_shows_bees(lite0: Classifier, shared: Path) -> None:
    folders = [shared / "photos" / "bee" / "val", shared / "photos" / "kelpie", shared / "photos" / "kelpie_controls"]
    found = exemplars(lite0, folders, ["classifier"], top=9)
    assert sum("bee" in each.photo.path.parts for each in found.of("classifier:309")) == 9
