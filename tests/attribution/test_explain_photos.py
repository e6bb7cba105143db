from __future__ import annotations

import csv
import json
from pathlib import Path

import dogs
import pytest
import torch
from nets import ByBackground, ByObject, Linear, hooks_on, seeded
from PIL import Image

from dreamscope import images
from dreamscope.attribution import explain_photos as module
from dreamscope.attribution.explain import explain
from dreamscope.attribution.explain_photos import explain_photos
from dreamscope.attribution.object_masks import read_mask, share_outside
from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.wrapping import wrap


@pytest.fixture
def by_background() -> Classifier:
    return wrap(ByBackground(), input_size=16, labels=dogs.LABELS)


@pytest.fixture
def by_object() -> Classifier:
    return wrap(ByObject(), input_size=16, labels=dogs.LABELS)


def test_a_network_that_decides_by_the_background_is_found_out(by_background: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    found = explain_photos(by_background, photos, masks=masks, method=["gradcam", "occlusion:4,2", "lime:60,12"])
    # The dog in the snow is the mistake, so it comes first; the others follow, the least sure first.
    assert [each.photo.path.stem for each in found.photos] == ["snow", "grass1", "grass2"]
    assert [each.is_mistake for each in found.photos] == [True, False, False]
    assert found.photos[0].targets[0].name == "wolf"
    for each in found.photos:
        assert each.outside[0] == pytest.approx(1.0)
        # A cover of four pixels on the edge of the dog covers some of the ground, too.
        assert min(each.outside) > 0.8
        assert each.area_outside == 0.75
    everything, wrong, right = found.outside[:3]
    assert [each.photos for each in (everything, wrong, right)] == ["all", "mistakes", "right"]
    assert everything.share.value == pytest.approx(1.0)
    assert (everything.share.count, wrong.share.count, right.share.count) == (3, 1, 2)
    assert everything.area == 0.75
    assert hooks_on(by_background.module) == 0


def test_one_that_decides_by_the_object_is_not(by_object: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    found = explain_photos(by_object, photos, masks=masks, method=["gradcam", "integrated:4"])
    assert not any(each.is_mistake for each in found.photos)
    assert [each.outside[0] for each in found.photos] == pytest.approx([0.0] * 3)
    assert [each.photos for each in found.outside] == ["all", "all"]


def test_rise_counts_from_its_least_value(by_object: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    (first, *_) = explain_photos(by_object, photos, masks=masks, method="rise:300,4").photos
    (rise,) = explain(by_object, images.read(first.photo.path), method="rise:300,4")
    assert rise.map.min() > 0.3
    # Counted from 0 it has almost as much outside as the area, 75 %, whatever the network looks at.
    mask = read_mask(masks / first.photo.path.name, by_object)
    assert share_outside(rise.map[0, 0], mask) == pytest.approx(0.75, abs=0.06)
    assert first.outside[0] < 0.55


def test_photos_have_the_numbers_and_maps_of_explain(by_background: Classifier, tmp_path: Path) -> None:
    photos, _ = dogs.draw(tmp_path)
    found = explain_photos(by_background, photos, method=["gradcam", "guided"], class_name="dog", sort="given")
    names = [each.photo.path.stem for each in found.photos]
    assert names == ["grass1", "grass2", "snow"]
    for each in found.photos:
        cam, guided = explain(
            by_background, images.read(each.photo.path), method=["gradcam", "guided"], class_name="dog"
        )
        assert each.targets[0].name == "dog"
        assert each.targets[0].value == pytest.approx(cam.targets[0].value, abs=1e-6)
        assert torch.allclose(each.maps[0], cam.map[0], atol=1e-6)
        assert torch.allclose(each.maps[1], guided.picture[0], atol=1e-6)
        assert torch.equal(each.image, (cam.images[0] * 255).round().to(torch.uint8))
        assert each.outside == ()
        assert each.area_outside is None
    assert found.outside == []


def test_orders(by_background: Classifier, by_object: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    for sort in ("mistakes", "confidence", "outside", "given"):
        found = explain_photos(by_background, photos, masks=masks, sort=sort)
        confidences = [each.confidence for each in found.photos]
        if sort == "confidence":
            assert confidences == sorted(confidences, reverse=True)
        assert (found.photos[0].photo.path.stem == "snow") == (sort in ("mistakes", "confidence"))
    (masks / "grass2.png").unlink()
    without = explain_photos(by_object, photos, masks=masks, sort="outside")
    assert without.photos[-1].photo.path.stem == "grass2"
    assert {each.photo.path.stem for each in without.photos if each.outside} == {"grass1", "snow"}


def test_the_one_with_most_outside_comes_first(by_background: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    images.write(torch.ones(1, 3, 16, 16), masks / "snow.png")
    (masks / "grass1.png").unlink()
    found = explain_photos(by_background, photos, masks=masks, sort="outside")
    assert [each.photo.path.stem for each in found.photos] == ["grass2", "snow", "grass1"]
    assert found.photos[1].outside == (0.0,)


def test_pictures_are_kept_of_the_first(
    by_background: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, _ = dogs.draw(tmp_path)
    monkeypatch.setattr(module, "MOST", 1)
    monkeypatch.setattr(module, "_BATCH", 1)
    seen: list[tuple[str, int, int]] = []
    found = explain_photos(by_background, photos, callback=lambda *step: seen.append(step))
    # The last one read is the mistake.
    assert [each.image is not None for each in found.photos] == [True, False, False]
    assert found.photos[0].is_mistake
    assert found.photos[1].maps == ()
    assert seen == [("photos", 1, 3), ("photos", 2, 3), ("photos", 3, 3)]


def test_tables_and_recipe(by_background: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    found = explain_photos(by_background, photos, masks=masks, method=["gradcam", "gradcam:conv"], seed=3)
    rows = list(csv.DictReader(found.save(tmp_path / "table.csv").open()))
    assert [Path(row["file"]).stem for row in rows] == ["snow", "grass1", "grass2"]
    assert (rows[0]["truth"], rows[0]["predicted"], rows[0]["explains"]) == ("dog", "wolf", "wolf")
    assert float(rows[0]["outside_gradcam"]) == float(rows[0]["outside_gradcam-2"]) == 1.0
    kept = json.loads(found.save(tmp_path / "table.json").read_text())
    assert kept["outside"][0]["share"]["value"] == pytest.approx(1.0)
    recipe = kept["recipe"]
    assert recipe["parameters"]["method"] == ["gradcam:layer=act", "gradcam:layer=conv"]
    assert (recipe["parameters"]["seed"], recipe["inputs"]["masks"]["count"]) == (3, 3)
    assert str(tmp_path) not in json.dumps(recipe)
    again = explain_photos(by_background, photos, masks=masks, **recipe["parameters"])
    assert all(torch.equal(a.maps[0], b.maps[0]) for a, b in zip(found.photos, again.photos, strict=True))
    assert "3 photos" in found._repr_html_()


def test_a_larger_photo_is_cropped_with_its_mask(by_background: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path, side=64)
    for folder in (photos / "dog", masks):
        for path in folder.iterdir():
            # A strip that the crop of the middle takes away again.
            wide = Image.new("RGB", (80, 64), "white")
            wide.paste(Image.open(path), (8, 0))
            wide.save(path)
    found = explain_photos(by_background, photos, masks=masks)
    assert [each.area_outside for each in found.photos] == pytest.approx([0.75] * 3, abs=0.02)
    assert min(each.outside[0] for each in found.photos) > 0.97


def test_a_turned_photo_has_a_mask_as_it_is_shown(by_background: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20), "blue").save(photos / "dog" / "turned.jpg", exif=exif)
    Image.new("L", (20, 40), 255).save(masks / "turned.png")
    found = explain_photos(by_background, photos, masks=masks)
    (turned,) = (each for each in found.photos if each.photo.path.stem == "turned")
    assert turned.outside == pytest.approx((0.0,), abs=1e-6)


def test_channels_of_a_network_without_classes(tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    model = wrap(seeded(Linear()), input_size=16)
    found = explain_photos(model, photos, at="conv:1", method="saliency", masks=masks)
    assert [each.answer for each in found.photos] == [None] * 3
    values = [each.targets[0].value for each in found.photos]
    assert values == sorted(values, reverse=True)
    assert list(found.rows()[0]) == ["file", "explains", "value", "outside_saliency", "area_outside"]
    # The gradient of a mean is the same everywhere.
    assert found.photos[0].outside[0] == pytest.approx(0.75)
    with pytest.raises(DreamscopeError, match="has no classes"):
        explain_photos(model, photos)


def test_where_nothing_speaks_for_it_there_is_no_share(by_object: Classifier, tmp_path: Path) -> None:
    photos, masks = dogs.draw(tmp_path)
    images.write(torch.zeros(1, 3, 16, 16), masks / "snow.png")
    found = explain_photos(by_object, photos, masks=masks, class_name="wolf", sort="given")
    assert [each.outside for each in found.photos] == [(None,), (None,), ()]
    assert found.outside == []
    assert found.rows()[0]["outside_gradcam"] is None


def test_what_is_refused_before_anything_runs(
    by_background: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, masks = dogs.draw(tmp_path)
    monkeypatch.setattr(Classifier, "forward", lambda *_: pytest.fail("it ran"))
    (tmp_path / "none").mkdir()
    Image.new("L", (16, 30)).save(masks / "grass2.png")
    for options, message in (
        ({"sort": "name"}, "no order 'name'; there are mistakes, confidence, outside, given"),
        ({"sort": "outside"}, "the order 'outside' needs masks"),
        ({"method": "gradcm"}, "no method 'gradcm'"),
        ({"masks": tmp_path / "nowhere"}, "no such folder of masks"),
        ({"masks": tmp_path / "none"}, "holds no mask of the 3 photos: expected 'grass1.png'"),
        ({"masks": photos}, "holds no mask of the 3 photos"),
        ({"masks": masks}, r"grass2.png' has 16x30 pixels, its photo 16x16"),
        ({"seed": -1}, "seed lies between"),
    ):
        with pytest.raises(DreamscopeError, match=message):
            explain_photos(by_background, photos, **options)


def test_torn_photos_are_skipped(by_background: Classifier, tmp_path: Path) -> None:
    photos, _ = dogs.draw(tmp_path)
    (photos / "dog" / "torn.png").write_bytes(b"")
    found = explain_photos(by_background, photos)
    assert list(found.unreadable) == ["torn.png"]
    assert len(found.photos) == 3
