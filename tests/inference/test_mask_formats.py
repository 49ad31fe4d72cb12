"""Masks as TIFF, NIfTI and DICOM: one file for what belongs together, in the geometry of its source."""

import io
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.data import get_testdata_file

from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import read_image, read_label
from cenet.data.io.write_volume import write_tiff_masks
from cenet.errors import CenetError
from cenet.inference import ensemble
from cenet.inference.predict import FailedImagesError, write_predictions
from cenet.inference.prediction import Prediction
from cenet.inference.shards import Shard

CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """A model without a network: what is brighter than the mean."""

    def predictor(pixels, *, name, uncertainty=False, pixel_um=None):
        bright = pixels[..., 0] > pixels[..., 0].mean()
        return Prediction(np.asarray(bright, np.float32)[None], (0.5,))

    recipe = SimpleNamespace(
        num_classes=1, roi_fraction=None, ordered=False, task="folder", nested=False, network="tiny"
    )
    facts = SimpleNamespace(labels=None, pixel_um=None, channels=(), in_channels=1, dtype="float32", classes=("lung",))
    run = SimpleNamespace(recipe=recipe, facts=facts, predictor=lambda **_: predictor)
    monkeypatch.setattr(ensemble, "open_run", lambda *_, **__: run)
    monkeypatch.setattr(ensemble, "fingerprint_run", lambda _: "run")


def predict(images, output, mask_format="png", **options):
    return write_predictions("run", images, output=output, device="cpu", mask_format=mask_format, **options)


def names(folder, *endings):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(endings))


def write_series(folder, *positions, series="1.2.3"):
    folder.mkdir(exist_ok=True)
    for number, position in enumerate(positions):
        dataset = pydicom.dcmread(CT)
        dataset.SeriesInstanceUID = series
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], position]
        dataset.PatientName, dataset.PatientID = "Jones^Ann", "4711"
        values = np.roll(dataset.pixel_array, 7 * number, axis=0)
        dataset.PixelData = values.tobytes()
        dataset.save_as(folder / f"{series}-{number}.dcm")
    return folder


def expected(path, page=None):
    pixels = read_image(path, page=page)[..., 0]
    return pixels > pixels.mean()


def test_a_series_becomes_one_segmentation_and_nothing_of_the_patient_is_said(tmp_path, capfd, caplog):
    series = write_series(tmp_path / "series", 30, 10, 20)
    write_series(series, 5, series="1.2.4")
    remarks = predict(series, tmp_path / "masks", "dicom-seg")
    assert names(tmp_path / "masks", ".dcm") == ["1.2.3-0_mask.dcm", "1.2.4-0_mask.dcm"]
    segmentation = pydicom.dcmread(tmp_path / "masks" / "1.2.3-0_mask.dcm")
    assert (segmentation.PatientName, segmentation.PatientID) == ("Jones^Ann", "4711")
    by_position = {}
    for frame, groups in zip(segmentation.pixel_array, segmentation.PerFrameFunctionalGroupsSequence, strict=True):
        by_position[float(groups.PlanePositionSequence[0].ImagePositionPatient[2])] = frame
    for number, position in enumerate((30, 10, 20)):
        np.testing.assert_array_equal(by_position[position], expected(series / f"1.2.3-{number}.dcm"))
    said = str([remarks, capfd.readouterr(), caplog.text, sorted((tmp_path / "masks").iterdir())])
    said += (tmp_path / "masks" / ".cenet.jsonl").read_text()
    assert "Jones" not in said
    assert "4711" not in said


def test_a_series_becomes_a_volume_in_the_patients_coordinates(tmp_path):
    series = write_series(tmp_path / "series", 30, 10, 20)
    predict(series, tmp_path / "masks", "nifti")
    volume = nibabel.load(tmp_path / "masks" / "1.2.3-0_mask.nii.gz")
    source = pydicom.dcmread(series / "1.2.3-1.dcm")
    np.testing.assert_allclose(volume.header.get_zooms(), (*source.PixelSpacing[::-1], 10), rtol=1e-5)
    x, y, _ = source.ImagePositionPatient
    np.testing.assert_allclose(volume.affine[:3, 3], (-x, -y, 10), rtol=1e-5)
    for at, number in enumerate((1, 2, 0)):
        mask = volume.dataobj[:, :, at]
        np.testing.assert_array_equal(mask.T, expected(series / f"1.2.3-{number}.dcm"))


def test_a_slice_that_fails_leaves_its_volume_unwritten_and_is_named_once(tmp_path):
    series = write_series(tmp_path / "series", 10, 20)
    (series / "1.2.3-0.dcm").write_bytes((series / "1.2.3-0.dcm").read_bytes()[:20000])
    (series / "report.dcm").write_bytes(CT.read_bytes()[:300])
    with pytest.raises(FailedImagesError) as caught:
        predict(series, tmp_path / "masks", "dicom-seg")
    subjects = [Path(failure.subject).name for failure in caught.value.failures]
    assert subjects == ["1.2.3-0.dcm", "report.dcm", "1.2.3-0_mask.dcm"]
    assert names(tmp_path / "masks", ".dcm") == []


def test_slices_with_a_gap_are_no_volume(tmp_path):
    series = write_series(tmp_path / "series", 10, 20, 50)
    with pytest.raises(FailedImagesError) as caught:
        predict(series, tmp_path / "masks", "nifti")
    assert len(caught.value.failures) == 1
    assert len(names(tmp_path / "masks", "_mask.png")) == 3


@pytest.mark.parametrize("codes", ["LPS", "RAS", "SLP"])
def test_a_volume_keeps_its_geometry(tmp_path, codes):
    values = np.random.default_rng(0).normal(size=(9, 7, 4)).astype(np.float32)
    affine = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(codes), values.shape)
    affine[:3, 3] += (1, 2, 3)
    source = nibabel.nifti1.Nifti1Image(values, affine * [[0.5], [0.7], [2], [1]])
    source.header["descrip"] = b"Jones"
    source.header.set_xyzt_units("micron")
    nibabel.save(source, tmp_path / "scan.nii.gz")
    predict(tmp_path / "scan.nii.gz", tmp_path / "scan_lungs.nii.gz")
    mask = nibabel.load(tmp_path / "scan_lungs.nii.gz")
    np.testing.assert_allclose(mask.affine, source.affine, atol=1e-6)
    assert (mask.shape, mask.header["descrip"]) == (source.shape, b"")
    np.testing.assert_array_equal(mask.dataobj, values > values.mean(axis=(0, 1)))
    np.testing.assert_array_equal(
        read_label(tmp_path / "scan_lungs.nii.gz", page=1), expected(tmp_path / "scan.nii.gz", 1)
    )
    sizes = [read_pixel_size(tmp_path / f"scan{end}.nii.gz") for end in ("", "_lungs")]
    assert sizes[0].height_mm < 0.01
    assert sizes[0].um == sizes[1].um


def draw_tiff(path, *, pages=1, **options):
    values = np.random.default_rng(0).normal(size=(pages, 12, 9)).astype(np.float32)
    tifffile.imwrite(path, values if pages > 1 else values[0], photometric="minisblack", **options)
    return path


@pytest.mark.parametrize(("mask_format", "ending"), [("tiff", ".tif"), ("nifti", ".nii.gz")])
def test_the_pixel_size_is_kept(tmp_path, mask_format, ending):
    source = draw_tiff(tmp_path / "cells.tif", resolution=(25000, 12500), resolutionunit="CENTIMETER")
    predict(source, tmp_path / "masks", mask_format)
    mask = tmp_path / "masks" / f"cells_mask{ending}"
    size = read_pixel_size(mask)
    np.testing.assert_allclose((size.width_mm, size.height_mm), (0.0004, 0.0008), rtol=1e-6)
    np.testing.assert_array_equal(read_label(mask) > 0, expected(source))


def test_an_unknown_pixel_size_stays_unknown(tmp_path):
    predict(draw_tiff(tmp_path / "cells.tif"), tmp_path, "nifti")
    assert read_pixel_size(tmp_path / "cells_mask.nii.gz") is None


def test_a_stack_becomes_a_stack_and_names_do_not_clash(tmp_path):
    draw_tiff(tmp_path / "in.tif", pages=3)
    Image.fromarray(np.eye(12, dtype=np.float32)).save(tmp_path / "in.tiff")
    predict([tmp_path / "in.tif", tmp_path / "in.tiff"], tmp_path / "masks", "tiff")
    assert names(tmp_path / "masks", ".tif") == ["in.tif_mask.tif", "in.tiff_mask.tif"]
    np.testing.assert_array_equal(
        read_label(tmp_path / "masks" / "in.tif_mask.tif", page=2) > 0, expected(tmp_path / "in.tif", 2)
    )


def test_a_file_is_made_again_only_when_its_masks_are(tmp_path):
    source = draw_tiff(tmp_path / "cells.tif")
    predict(source, tmp_path / "masks")
    predict(source, tmp_path / "masks", "tiff")
    first = (tmp_path / "masks" / "cells_mask.tif").stat().st_mtime_ns
    predict(source, tmp_path / "masks", "tiff")
    assert (tmp_path / "masks" / "cells_mask.tif").stat().st_mtime_ns == first
    predict(source, tmp_path / "masks", "tiff", overwrite=True)
    assert (tmp_path / "masks" / "cells_mask.tif").stat().st_mtime_ns > first


@pytest.mark.parametrize(
    ("pages", "mask_format", "output", "instead"),
    [(1, "nifti", "masks", "tiff"), (1, "png", "mask.nii.gz", "tiff"), (2, "tiff", "masks", "png")],
)
def test_a_mask_that_is_never_in_memory_is_refused_before_any_work(
    tmp_path, monkeypatch, pages, mask_format, output, instead
):
    source = draw_tiff(tmp_path / "large.tif", pages=pages)
    monkeypatch.setenv("CENET_MAX_PIXELS", "50")
    with pytest.raises(CenetError) as caught:
        predict(source, tmp_path / output, mask_format)
    assert caught.value.subject == str(source)
    assert f"--format {instead}" in caught.value.remedy
    assert names(tmp_path, "") == ["large.tif"]


def test_a_segmentation_of_what_is_no_dicom_is_refused_before_any_work(tmp_path):
    with pytest.raises(CenetError) as caught:
        predict(draw_tiff(tmp_path / "cells.tif"), tmp_path / "masks", "dicom-seg")
    assert caught.value.subject == str(tmp_path / "cells.tif")
    assert not (tmp_path / "masks").exists()


@pytest.mark.parametrize("output", ["mask.dcm", "mask.bmp", "two.tif"])
def test_a_name_that_is_no_place_for_the_mask_is_refused(tmp_path, output):
    sources = [draw_tiff(tmp_path / name) for name in ("a.tif", "b.tif")]
    with pytest.raises(CenetError):
        predict(sources if output == "two.tif" else sources[0], tmp_path / output)
    assert names(tmp_path, "tif", "dcm", "bmp") == ["a.tif", "b.tif"]


def save_volume(path):
    values = np.random.default_rng(0).normal(size=(9, 12, 3)).astype(np.float32)
    nibabel.save(nibabel.nifti1.Nifti1Image(values, np.eye(4)), path)


@pytest.mark.parametrize("spelling", ["plain", "dots", "symbolic link", "hard link"])
@pytest.mark.parametrize("name", ["eye.tif", "scan.nii.gz", "slice.dcm"])
def test_an_image_is_not_replaced_by_its_mask_in_a_file(tmp_path, name, spelling):
    source = tmp_path / name
    if name == "eye.tif":
        draw_tiff(source)
    elif name == "scan.nii.gz":
        save_volume(source)
    else:
        source.write_bytes(CT.read_bytes())
    output = tmp_path / f"other_{name}"
    if spelling == "plain":
        output = source
    elif spelling == "dots":
        (tmp_path / "folder").mkdir()
        output = tmp_path / "folder" / ".." / name
    elif spelling == "symbolic link":
        output.symlink_to(source)
    else:
        output.hardlink_to(source)
    before = source.read_bytes()
    with pytest.raises(CenetError, match="is an image to predict, and would be replaced") as caught:
        predict(source, output, overwrite=True)
    assert caught.value.subject == str(output)
    assert source.read_bytes() == output.read_bytes() == before


def test_an_image_of_a_linked_name_is_not_replaced_by_its_mask(tmp_path):
    source = draw_tiff(tmp_path / "eye.tif")
    (tmp_path / "link.tif").symlink_to(source)
    before = source.read_bytes()
    with pytest.raises(CenetError, match="is an image to predict"):
        predict(tmp_path / "link.tif", source, overwrite=True)
    assert source.read_bytes() == before


def test_an_image_is_not_replaced_by_the_mask_of_another_in_a_further_format(tmp_path):
    sources = [draw_tiff(tmp_path / name) for name in ("a.tif", "a_mask.tif")]
    before = sources[1].read_bytes()
    with pytest.raises(CenetError, match="is an image to predict") as caught:
        predict(sources, tmp_path, "tiff", overwrite=True)
    assert caught.value.subject == str(sources[1])
    assert sources[1].read_bytes() == before
    assert names(tmp_path, "") == ["a.tif", "a_mask.tif"]


def draw_pages(path, *kinds, turned=False):
    """A TIFF whose pages halve in size; each with its subfile type."""
    values = np.random.default_rng(0).normal(size=(24, 18)).astype(np.float32)
    with tifffile.TiffWriter(path) as writer:
        for number, kind in enumerate(kinds):
            page = values[:: number + 1, :: number + 1]
            tags = [(274, "H", 1, 6, True)] if turned and number else []
            page = values.T if turned and number else page
            writer.write(page, photometric="minisblack", metadata=None, subfiletype=kind, extratags=tags)
    return path


@pytest.mark.parametrize("output", ["masks", "mask.tif", "mask.nii.gz"])
def test_pages_of_several_sizes_are_refused_before_anything_is_predicted(tmp_path, output):
    source = draw_pages(tmp_path / "slide.tif", 0, 0, 0)
    with pytest.raises(CenetError, match=r"its pages differ in size \(18 x 24 and 9 x 12 px\)") as caught:
        predict(source, tmp_path / output, "tiff" if output == "masks" else "png")
    assert caught.value.subject == str(source)
    assert list(tmp_path.iterdir()) == [source]


def test_pages_of_several_sizes_become_png(tmp_path):
    predict(draw_pages(tmp_path / "slide.tif", 0, 0), tmp_path / "masks")
    assert [read_label(tmp_path / "masks" / f"slide-0{page}_mask.png").shape for page in range(2)] == [
        (24, 18),
        (12, 9),
    ]


def test_pages_that_are_turned_to_one_size_become_one_file(tmp_path):
    source = draw_pages(tmp_path / "slide.tif", 0, 0, turned=True)
    predict(source, tmp_path / "mask.tif")
    np.testing.assert_array_equal(read_label(tmp_path / "mask.tif", page=1) > 0, expected(source, 1))


def test_the_copies_of_a_pyramid_have_no_masks_and_that_is_said(tmp_path):
    source = draw_pages(tmp_path / "slide.tif", 0, 1, 1)
    (remark,) = predict(source, tmp_path / "mask.tif")
    assert remark.endswith("2 of its 3 pages are reduced copies or transparency masks, and were left out")
    np.testing.assert_array_equal(read_label(tmp_path / "mask.tif") > 0, expected(source))


def test_a_mask_that_was_edited_to_another_size_is_named(tmp_path):
    source = draw_tiff(tmp_path / "cells.tif", pages=2)
    predict(source, tmp_path / "masks")
    Image.new("L", (5, 4)).save(tmp_path / "masks" / "cells-01_mask.png")
    with pytest.raises(FailedImagesError, match="its masks differ in size"):
        predict(source, tmp_path / "masks", "tiff")


def test_a_shard_has_no_volumes(tmp_path):
    series = write_series(tmp_path / "series", 30, 10)
    with pytest.raises(CenetError, match="a shard has some") as caught:
        predict(series, tmp_path / "out", "dicom-seg", shard=Shard.parse("1/2"))
    assert caught.value.subject == "--format dicom-seg"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"probabilities": True}, {"mask_format": "tiff"}])
def test_one_file_holds_a_mask_alone(tmp_path, options):
    series = write_series(tmp_path / "series", 30, 10)
    with pytest.raises(CenetError, match="is the name of one file") as caught:
        predict(series, tmp_path / "masks.nii.gz", **options)
    assert caught.value.subject == str(tmp_path / "masks.nii.gz")
    assert list(tmp_path.iterdir()) == [series]


def test_a_damaged_slice_is_named_and_the_others_are_written(tmp_path):
    series = write_series(tmp_path / "series", 30, 10, 20)
    broken = series / "1.2.3-1.dcm"
    broken.write_bytes(broken.read_bytes()[:400])
    with pytest.raises(FailedImagesError) as caught:
        predict(series, tmp_path / "out", "tiff")
    assert str(broken) in [failure.subject for failure in caught.value.failures]
    assert len(names(tmp_path / "out", "_mask.png")) == 2


def test_a_tiff_of_classes_has_their_colours():
    file, masks = io.BytesIO(), np.array([[[0, 1, 2]]], np.uint8)
    write_tiff_masks(file, masks, num_classes=3, colours=("#ff0000", "#00ff00"))
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as tiff:
        page = tiff.pages[0]
        assert np.array_equal(page.asarray(), masks[0])
        assert (page.colormap[:, 1:3] // 257).T.tolist() == [[255, 0, 0], [0, 255, 0]]
