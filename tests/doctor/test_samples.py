"""Reading a set: what is kept of each sample, and labels that do not fit the others."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.em_membranes import read_cells
from cenet.datasets.folder import read_folder
from cenet.datasets.oct_layers import read_oct
from cenet.doctor.checks import check_labels
from cenet.doctor.samples import detect_label_encoding, examine_sample


def redraw(folder, index, label):
    Image.fromarray(label).save(folder / "masks" / f"eye-{index}.png")


STRIPES = np.tile(np.repeat(np.array([0, 100, 200, 255], np.uint8), 16), (48, 1))


def test_labels_that_do_not_go_with_the_others_are_left_out(draw, tmp_path):
    folder = draw(tmp_path / "data")
    for index in (1, 4):
        redraw(folder, index, STRIPES)
    findings, samples = [], read_folder(folder)
    labels, unusable = detect_label_encoding("folder", samples, findings, num_classes=1, folder=folder)
    assert labels.describe() == "0 -> background, 255 -> foreground"
    assert unusable == {samples[1], samples[4]}
    assert {Path(finding.subject).name for finding in findings} == {"eye-1.png", "eye-4.png"}


def test_where_most_labels_make_no_sense_there_is_one_finding(draw, tmp_path):
    folder = draw(tmp_path / "data")
    for index in range(4):
        redraw(folder, index, STRIPES)
    findings, samples = [], read_folder(folder)
    assert detect_label_encoding("folder", samples, findings, num_classes=1, folder=folder) == (None, set(samples))
    assert len(findings) == 1


def test_an_examined_sample_holds_what_its_files_hold(draw, tmp_path):
    sample = read_folder(draw(tmp_path / "data", count=1, channels=1))[0]
    labels = LabelEncoding(kind="values", names=("line",), values=((0,), (255,)))
    findings = []
    examined = examine_sample(sample, labels, findings)
    image, label, region = (np.array(Image.open(path)) for path in (sample.image, sample.label[0], sample.region))
    assert findings == []
    assert (examined.shape, examined.value_type, examined.mean_value) == (
        (48, 64),
        "1 channel of uint8",
        pytest.approx(image.mean()),
    )
    assert (examined.region_px, examined.annotated_px) == ((region > 0).sum(), (region > 0).sum())
    assert examined.class_px == (((label > 0) & (region > 0)).sum(),)


def test_rows_of_boundaries_that_cannot_be_read_are_left_out(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "boundaries").mkdir()
    for name in "abc":
        Image.fromarray(np.zeros((8, 5), np.uint8)).save(tmp_path / "images" / f"{name}.png")
        np.save(tmp_path / "boundaries" / f"{name}.npy", np.full((2, 5), [[2.0], [5.0]]))
    (tmp_path / "boundaries" / "b.npy").write_bytes(b"nonsense")
    findings, samples = [], read_oct(tmp_path)
    labels, unusable = detect_label_encoding("oct", samples, findings, num_classes=3, folder=tmp_path)
    assert labels.names == ("layer 1", "below")
    assert unusable == {samples[1]}
    assert [Path(finding.subject).name for finding in findings] == ["b.npy"]


def test_of_a_stack_each_sample_is_its_slice(tmp_path):
    for name, values in (("train-volume.tif", range(3)), ("train-labels.tif", (255, 255, 0))):
        slices = np.stack([np.full((8, 9), value, np.uint8) for value in values])
        slices[:, 0] = 0
        tifffile.imwrite(tmp_path / name, slices, photometric="minisblack")
    findings, samples = [], read_cells(tmp_path)
    labels, unusable = detect_label_encoding("cells", samples, findings, num_classes=1)
    examined = [examine_sample(sample, labels, findings) for sample in samples]
    assert unusable == set()
    assert [image.class_px for image in examined] == [(9,), (9,), (72,)]
    assert [Path(finding.subject).name for finding in findings] == ["train-volume.tif, slice 0"]
    assert [Path(finding.subject).name for finding in check_labels(tmp_path, samples, examined, labels)] == [
        "train-labels.tif, slice 2",
        tmp_path.name,
    ]


def test_the_field_of_view_is_found_on_a_photograph_and_its_absence_is_a_finding(tmp_path):
    rows, columns = np.mgrid[:90, :120]
    circle = np.hypot(rows - 44.5, columns - 59.5) < 40
    findings = []
    for name, light in (("eye", np.where(circle, 180, 4)), ("black", np.zeros((90, 120)))):
        path = tmp_path / f"{name}.png"
        Image.fromarray(light.astype(np.uint8)).save(path)
        examined = examine_sample(Sample(name, path, fundus=True), None, findings)
        assert examined.region_px == (pytest.approx(circle.sum(), rel=0.02) if name == "eye" else 90 * 120)
    assert [(Path(finding.subject).name, "no field of view" in finding.cause) for finding in findings] == [
        ("black.png", True),
        ("black.png", False),
    ]


def test_columns_in_which_nothing_is_annotated_are_counted(tmp_path):
    Image.fromarray(np.arange(40, dtype=np.uint8).reshape(8, 5)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.array([[2.0, np.nan, 2, 2, np.nan]]))
    examined = examine_sample(
        Sample("a", tmp_path / "a.png", (tmp_path / "a.npy",)), LabelEncoding(kind="boundaries", names=("below",)), []
    )
    assert (examined.unannotated_columns, examined.annotated_px, examined.class_px) == (2, 24, (18,))


def test_what_is_left_of_a_sample_is_read_where_a_file_of_it_is_damaged(draw, tmp_path):
    sample = read_folder(draw(tmp_path / "data", count=1))[0]
    sample.region.write_bytes(b"")
    findings = []
    examined = examine_sample(sample, LabelEncoding(kind="values", names=("line",), values=((0,), (255,))), findings)
    assert examined.annotated_px == 48 * 64
    assert [finding.subject for finding in findings] == [str(sample.region)]


def test_hounsfield_units_that_were_made_unsigned_are_warned_of(tmp_path):
    image = np.linspace(0, 2300, 160).astype(np.uint16).reshape(10, 16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack")
    findings = []
    examine_sample(Sample("a", tmp_path / "a.tif", hounsfield=True), None, findings)
    examine_sample(Sample("a", tmp_path / "a.tif"), None, findings)
    assert [(finding.severity, finding.subject) for finding in findings] == [("warning", str(tmp_path / "a.tif"))]
    assert "int16" in findings[0].remedy
