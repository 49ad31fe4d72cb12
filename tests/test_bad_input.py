"""Input that is wrong in one way: one sentence each, the others are predicted, and the same command continues."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.data import get_testdata_file

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.inference import ensemble
from cenet.inference.pipeline import Pipeline
from cenet.inference.predict import FailedImagesError, predict, write_predictions

CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))


class Brightness(Pipeline):
    """Without a network: what is bright."""

    def forward(self, image):
        assert min(image.shape[1:]) >= 32
        return (image[:1] > image.mean()).astype(np.float32)


@pytest.fixture
def model(monkeypatch):
    recipe = load_recipe("folder")
    facts = SimpleNamespace(labels=None, pixel_um=None, channels=(), in_channels=1, dtype="float32", classes=("cell",))
    predictor = Brightness(recipe, stride=32, min_size=32, expects=(1, "float32"))
    run = SimpleNamespace(recipe=recipe, facts=facts, predictor=lambda **_: predictor)
    monkeypatch.setattr(ensemble, "open_run", lambda *_, **__: run)
    monkeypatch.setattr(ensemble, "fingerprint_run", lambda _: "run")
    return predictor


def write_predicted(folder, output, **options):
    return write_predictions("run", folder, output=output, device="cpu", **options)


def draw(path, values=None):
    values = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32) if values is None else values
    tifffile.imwrite(path, values, photometric="rgb" if values.ndim == 3 else "minisblack")
    return path


def truncated_dicom(path):
    path.with_suffix(".dcm").write_bytes(CT.read_bytes()[:20000])


def change_dicom(path, **tags):
    dataset = pydicom.dcmread(CT)
    dataset.PatientName = "Jones"
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        elif keyword == "TransferSyntaxUID":
            dataset.file_meta.TransferSyntaxUID = value
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path.with_suffix(".dcm"), enforce_file_format=False)


HTJ2K, MPEG2 = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.100"
BROKEN = {
    "truncated DICOM": truncated_dicom,
    "DICOM without pixels": lambda path: change_dicom(path, PixelData=None),
    "DICOM of no known syntax": lambda path: change_dicom(path, TransferSyntaxUID="1.2.3.4"),
    "DICOM of no image": lambda path: change_dicom(path, Rows=None),
    "DICOM larger than its pixels": lambda path: change_dicom(path, Rows=4000),
    "wrong channel count": lambda path: draw(path, np.zeros((40, 50, 3), np.uint8) + np.arange(3, dtype=np.uint8)),
    "NaN": lambda path: draw(path, np.full((40, 50), np.nan, np.float32)),
    "HEIC": lambda path: path.with_suffix(".png").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99)),
    "PDF": lambda path: path.with_suffix(".jpg").write_bytes(b"%PDF-1.7" + bytes(99)),
    "NIfTI cut off": lambda path: path.with_suffix(".nii").write_bytes(bytes(344) + b"n+1\0" + bytes(9)),
    "array of objects": lambda path: np.save(path.with_suffix(".npy"), np.array([{}, {}]), allow_pickle=True),
    "nothing": lambda path: path.with_suffix(".png").write_bytes(b""),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_named_and_the_others_are_predicted(model, tmp_path, kind):
    (tmp_path / "in").mkdir()
    draw(tmp_path / "in" / "good.tif")
    BROKEN[kind](tmp_path / "in" / "bad.tif")
    with pytest.raises(FailedImagesError) as caught:
        write_predicted(tmp_path / "in", tmp_path / "out")
    (failure,) = caught.value.failures
    assert "bad" in failure.subject
    assert failure.remedy
    assert "Jones" not in str(failure)
    assert (tmp_path / "out" / "good_mask.png").is_file()


def test_an_image_below_the_least_size_is_padded(model, tmp_path):
    draw(tmp_path / "small.tif", np.eye(5, 3, dtype=np.float32))
    write_predicted(tmp_path / "small.tif", tmp_path / "small.png")
    assert np.array_equal(np.array(Image.open(tmp_path / "small.png")), np.eye(5, 3) * 255)


def test_slices_that_show_nothing_leave_no_gap_in_a_volume(model, tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 40, 50)).astype(np.float32)
    values[0] = -1000
    tifffile.imwrite(tmp_path / "scan.tif", values, photometric="minisblack")
    write_predicted(tmp_path / "scan.tif", tmp_path / "masks.tif")
    assert [bool(page.any()) for page in tifffile.imread(tmp_path / "masks.tif")] == [False, True, True]


@pytest.mark.parametrize("mask_format", ["png", "tiff"])
def test_a_disk_that_fills_keeps_what_is_done_and_the_same_command_continues(model, tmp_path, monkeypatch, mask_format):
    (tmp_path / "in").mkdir()
    for name in "abc":
        draw(tmp_path / "in" / f"{name}.tif")
    with monkeypatch.context() as patch:
        sync, left = os.fsync, iter(range(8))

        def fill(descriptor):
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(descriptor)

        patch.setattr(os, "fsync", fill)
        with pytest.raises(CenetError) as caught:
            write_predicted(tmp_path / "in", tmp_path / "out", mask_format=mask_format)
    assert "space" in caught.value.remedy
    done = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name.startswith("a_")}
    assert set(done) == {"a_mask.png", "a_overlay.png"}
    remarks = write_predicted(tmp_path / "in", tmp_path / "out", mask_format=mask_format)
    assert remarks[0].startswith("1 of 3 images were predicted before")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in done} == done
    endings = (".png",) if mask_format == "png" else (".png", ".tif")
    assert all((tmp_path / "out" / f"{name}_mask{ending}").is_file() for name in "abc" for ending in endings)
    assert not list((tmp_path / "out").glob("*.part"))


def test_a_grey_file_is_converted_for_an_rgb_run_with_a_warning(model, tmp_path):
    model.expects = (3, "float32")
    with pytest.warns(UserWarning, match="grey"):
        assert predict(model, draw(tmp_path / "grey.tif")).mask.shape == (40, 50)
    with pytest.raises(CenetError):
        predict(model, np.zeros((40, 50, 1), np.float32))


def test_an_array_with_nan_is_refused_before_the_network_sees_it(model):
    with pytest.raises(CenetError) as caught:
        predict(model, np.full((40, 50, 1), np.nan, np.float32))
    assert "pixels" in caught.value.cause
