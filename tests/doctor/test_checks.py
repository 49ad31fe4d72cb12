"""Findings: what a reader's refusal becomes, labels that do not go with the others, and rare classes."""

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
from cenet.doctor.checks import (
    ExaminedSample,
    Finding,
    check_duplicates,
    check_groups,
    check_images,
    check_labels,
    collect_findings,
    detect_label_encoding,
    examine_sample,
)
from cenet.errors import CenetError


def seen(name, **changed):
    sample = Sample(name, Path(f"{name}.png"), (Path(f"{name}-mask.png"),), group=changed.pop("group", ""))
    usual = {"size": (48, 64), "kind": "1 channel of uint8", "level": 50.0, "picture": name, "drawn": name}
    return ExaminedSample(sample, **{**usual, "inside": 100, "counted": 100, "pixels": (10, 5), **changed})


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (CenetError("a", "b/c.png: it is odd", "mend it"), Finding("error", "a", "b/c.png: it is odd", "mend it")),
        (CenetError("c.png", "odd; very", "mend it"), Finding("error", "c.png", "odd; very", "mend it")),
        (
            PermissionError(13, "Permission denied", "images"),
            Finding("error", "images", "Permission denied", "check place and permissions"),
        ),
    ],
)
def test_a_refusal_becomes_a_finding(error, finding):
    found = []
    with collect_findings(found):
        raise error
    assert found == [finding]


def test_a_mistake_of_the_program_is_no_finding():
    with pytest.raises(ZeroDivisionError), collect_findings([]):
        raise ZeroDivisionError


# Reading ------------------------------------------------------------------------------------------------------------


def redraw(folder, index, label):
    Image.fromarray(label).save(folder / "masks" / f"eye-{index}.png")


STRIPES = np.tile(np.repeat(np.array([0, 100, 200, 255], np.uint8), 16), (48, 1))


def test_labels_that_do_not_go_with_the_others_are_set_aside(draw, tmp_path):
    folder = draw(tmp_path / "data")
    for index in (1, 4):
        redraw(folder, index, STRIPES)
    found, samples = [], read_folder(folder)
    labels, unusable = detect_label_encoding("folder", samples, found, num_classes=1, folder=folder)
    assert labels.describe() == "0 -> background, 255 -> foreground"
    assert unusable == {samples[1], samples[4]}
    assert {Path(finding.file).name for finding in found} == {"eye-1.png", "eye-4.png"}


def test_where_most_labels_make_no_sense_it_is_said_once(draw, tmp_path):
    folder = draw(tmp_path / "data")
    for index in range(4):
        redraw(folder, index, STRIPES)
    found, samples = [], read_folder(folder)
    assert detect_label_encoding("folder", samples, found, num_classes=1, folder=folder) == (None, set(samples))
    assert len(found) == 1


def test_a_look_at_an_image_tells_what_there_is(draw, tmp_path):
    sample = read_folder(draw(tmp_path / "data", count=1, channels=1))[0]
    labels = LabelEncoding(kind="values", names=("line",), values=((0,), (255,)))
    found = []
    each = examine_sample(sample, labels, found)
    image, label, region = (np.array(Image.open(path)) for path in (sample.image, sample.label[0], sample.region))
    assert found == []
    assert (each.size, each.kind, each.level) == ((48, 64), "1 channel of uint8", pytest.approx(image.mean()))
    assert (each.inside, each.counted) == ((region > 0).sum(), (region > 0).sum())
    assert each.pixels == (((label > 0) & (region > 0)).sum(),)


def test_rows_of_boundaries_that_cannot_be_read_are_set_aside(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "boundaries").mkdir()
    for name in "abc":
        Image.fromarray(np.zeros((8, 5), np.uint8)).save(tmp_path / "images" / f"{name}.png")
        np.save(tmp_path / "boundaries" / f"{name}.npy", np.full((2, 5), [[2.0], [5.0]]))
    (tmp_path / "boundaries" / "b.npy").write_bytes(b"nonsense")
    found, samples = [], read_oct(tmp_path)
    labels, unusable = detect_label_encoding("oct", samples, found, num_classes=3, folder=tmp_path)
    assert labels.names == ("layer 1", "below")
    assert unusable == {samples[1]}
    assert [Path(finding.file).name for finding in found] == ["b.npy"]


def test_of_a_stack_each_sample_is_its_slice(tmp_path):
    for name, values in (("train-volume.tif", range(3)), ("train-labels.tif", (255, 255, 0))):
        slices = np.stack([np.full((8, 9), value, np.uint8) for value in values])
        slices[:, 0] = 0
        tifffile.imwrite(tmp_path / name, slices, photometric="minisblack")
    found, samples = [], read_cells(tmp_path)
    labels, unusable = detect_label_encoding("cells", samples, found, num_classes=1)
    looks = [examine_sample(sample, labels, found) for sample in samples]
    assert unusable == set()
    assert [each.pixels for each in looks] == [(9,), (9,), (72,)]
    assert [Path(finding.file).name for finding in found] == ["train-volume.tif, slice 0"]
    assert [Path(finding.file).name for finding in check_labels(tmp_path, samples, looks, labels)] == [
        "train-labels.tif, slice 2",
        tmp_path.name,
    ]


def test_the_field_of_view_is_found_on_a_photograph_and_its_absence_is_a_finding(tmp_path):
    rows, columns = np.mgrid[:90, :120]
    circle = np.hypot(rows - 44.5, columns - 59.5) < 40
    found = []
    for name, light in (("eye", np.where(circle, 180, 4)), ("black", np.zeros((90, 120)))):
        path = tmp_path / f"{name}.png"
        Image.fromarray(light.astype(np.uint8)).save(path)
        each = examine_sample(Sample(name, path, fundus=True), None, found)
        assert each.inside == (pytest.approx(circle.sum(), rel=0.02) if name == "eye" else 90 * 120)
    assert [(Path(finding.file).name, "no field of view" in finding.what) for finding in found] == [
        ("black.png", True),
        ("black.png", False),
    ]


def test_columns_in_which_nobody_drew_are_counted(tmp_path):
    Image.fromarray(np.arange(40, dtype=np.uint8).reshape(8, 5)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.array([[2.0, np.nan, 2, 2, np.nan]]))
    each = examine_sample(
        Sample("a", tmp_path / "a.png", (tmp_path / "a.npy",)), LabelEncoding(kind="boundaries", names=("below",)), []
    )
    assert (each.left_out, each.counted, each.pixels) == (2, 24, (18,))


def test_what_is_left_of_a_sample_is_read_where_a_file_of_it_is_damaged(draw, tmp_path):
    sample = read_folder(draw(tmp_path / "data", count=1))[0]
    sample.region.write_bytes(b"")
    found = []
    each = examine_sample(sample, LabelEncoding(kind="values", names=("line",), values=((0,), (255,))), found)
    assert each.counted == 48 * 64
    assert [finding.file for finding in found] == [str(sample.region)]


def test_hounsfield_units_that_were_made_unsigned_are_warned_of(tmp_path):
    image = np.linspace(0, 2300, 160).astype(np.uint16).reshape(10, 16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack")
    found = []
    examine_sample(Sample("a", tmp_path / "a.tif", hounsfield=True), None, found)
    examine_sample(Sample("a", tmp_path / "a.tif"), None, found)
    assert list(map(str, found)) == [
        f"warning  {tmp_path / 'a.tif'}: its values, 0 to 2300, look like Hounsfield units + 1024, taken as windowed; "
        "subtract 1024 and save as int16 or float TIFF, or window it to 8 bit"
    ]


# Judging ------------------------------------------------------------------------------------------------------------


def test_pictures_alike_are_no_finding():
    alike = [seen("a"), seen("b", level=150.0, size=(96, 128))]
    assert [*check_images(alike), *check_duplicates(alike), *check_images([])] == []


@pytest.mark.parametrize(("level", "count"), [(11.0, 1), (13.0, 0), (199.0, 0), (201.0, 1)])
def test_brightness_is_unusual_from_four_times(level, count):
    assert len(list(check_images([*map(seen, "abcd"), seen("e", level=level)]))) == count


@pytest.mark.parametrize(("severity", "group"), [("warning", "one"), ("error", "two")])
def test_copies_weigh_more_in_different_groups(severity, group):
    copies = [seen("a", group="one", picture="x"), seen("b", group=group, picture="x", drawn="a")]
    (finding,) = check_duplicates(copies)
    assert (finding.severity, finding.file) == (severity, "b.png")
    assert "a.png" in finding.what
    assert "labels differ" not in finding.what


@pytest.mark.parametrize(("count", "severity"), [(1, "error"), (2, "error"), (3, "warning"), (4, "warning"), (5, None)])
def test_few_groups_cannot_be_divided(count, severity):
    images = [seen(f"{group}{number}", group=group) for group in "abcde"[:count] for number in range(3)]
    found = list(check_groups(Path("data"), [each.sample for each in images], images))
    assert [finding.severity for finding in found] == [severity] * (severity is not None)


def test_a_class_in_few_groups_is_told_by_its_name():
    labels = LabelEncoding(kind="values", names=("disc", "cup"), values=((0,), (1,), (2,)))
    images = [seen(name, group=name[0], pixels=(9, 3 * (name[0] in "ab"))) for name in ("a1", "a2", "b1", "c1", "d1")]
    found = list(check_labels(Path("data"), [each.sample for each in images], images, labels))
    assert [finding.what for finding in found] == ["cup occurs in 2 groups"]
