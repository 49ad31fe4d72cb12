"""The images that an export is judged by: of the run, of a folder, or drawn for a released model."""

import shutil

import numpy as np
import pytest
from PIL import Image

from cenet.errors import CenetError
from cenet.exporting import images as gate
from cenet.exporting.images import load_gate_images
from cenet.inference.run import Run
from cenet.models.installed import resolve_run


def test_a_run_is_judged_by_its_validation_part_and_calibrated_on_its_training_part(run):
    parts, split = load_gate_images(Run(run)), Run(run).split.parts
    assert [image.name for image in parts.compared] == list(split["validation"])
    assert [image.name for image in parts.training] == list(split["train"])
    assert all(image.label.shape == image.pixels.shape[:2] for image in (*parts.compared, *parts.training))


def test_a_folder_of_images_takes_their_place(run, images):
    parts = load_gate_images(Run(run), calibration=images / "images")
    assert [image.name for image in parts.compared] == ["eye-0.png", "eye-2.png", "eye-4.png"]
    assert [image.name for image in parts.training] == ["eye-1.png", "eye-3.png", "eye-5.png"]
    alone = load_gate_images(Run(run), calibration=images / "images" / "eye-0.png")
    assert [image.name for image in alone.compared] == [image.name for image in alone.training] == ["eye-0.png"]


def test_images_of_another_folder_are_converted_as_predict_does(run, tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    (image,) = load_gate_images(Run(run), calibration=tmp_path).compared
    assert np.array_equal(image.pixels, np.stack([grey] * 3, axis=-1))


def test_images_that_are_elsewhere_are_found_with_data(run, images, tmp_path):
    shutil.copytree(images, tmp_path / "moved")
    moved = load_gate_images(Run(run), data=tmp_path / "moved")
    assert np.array_equal(moved.compared[0].pixels, load_gate_images(Run(run)).compared[0].pixels)
    with pytest.raises(CenetError, match="not where they were"):
        load_gate_images(Run(run), data=tmp_path / "gone")
    gone = Run(run).split.parts["validation"][0]
    for part in ("images", "masks", "regions"):
        (tmp_path / "moved" / part / f"{gone}.png").unlink()
    with pytest.raises(CenetError, match=f"holds no image {gone}"):
        load_gate_images(Run(run), data=tmp_path / "moved")


def test_a_run_without_images_needs_others(official_run):
    with pytest.raises(CenetError, match="has no validation images") as caught:
        load_gate_images(Run(official_run))
    assert "--calibration" in caught.value.remedy


def test_a_released_model_is_judged_by_drawn_images_of_its_kind(monkeypatch):
    monkeypatch.setattr(gate, "PHANTOM_PX", 64)
    model = Run(resolve_run("vessels-open"))
    parts = load_gate_images(model)
    drawn = [image for image in parts.compared if image.label is not None]
    assert len(drawn) == len(parts.training) == 4
    assert all(image.label.any() for image in drawn)
    assert [image.pixels.shape for image in parts.compared if image.label is None] == [(1411, 1411, 3)]
    assert not any(np.array_equal(one.pixels, other.pixels) for one in drawn for other in parts.training)


def test_a_released_model_of_which_nothing_can_be_drawn_needs_images(monkeypatch):
    monkeypatch.setattr(gate, "PHANTOMS", {})
    model = Run(resolve_run("vessels-open"))
    monkeypatch.setattr(model, "facts", model.facts.model_copy(update={"in_channels": 4}))
    with pytest.raises(CenetError, match="no image of its kind") as caught:
        load_gate_images(model)
    assert "--calibration" in caught.value.remedy
