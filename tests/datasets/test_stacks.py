"""Volumes in data sets: a sample for each slice, and none of a volume in another part of a split."""

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.data import get_testdata_file

from cenet.data.labels.detect import LabelEncoding
from cenet.data.loading import load_sample
from cenet.datasets.any_folder import FOLDER
from cenet.datasets.registry import TASKS
from cenet.doctor.examine import examine

VALUES = np.random.default_rng(0).integers(0, 200, (3, 12, 16), np.uint8)
MASKS = (VALUES > 100).astype(np.uint8)
ENCODING = LabelEncoding(kind="values", names=("cell",), values=((0,), (1,)))


def write_tiff(path, values):
    tifffile.imwrite(path, values, photometric="minisblack")


def write_nifti(path, values):
    image = nibabel.nifti1.Nifti1Image(np.ascontiguousarray(values.transpose(2, 1, 0)), np.diag([-1, -1, 2, 1]))
    nibabel.save(image, path)


@pytest.mark.parametrize(("ending", "write"), [(".tif", write_tiff), (".nii.gz", write_nifti)])
@pytest.mark.parametrize("folders", [("images", "masks"), ("Img", "Annotations")], ids=" ".join)
def test_every_slice_is_a_sample_and_a_volume_a_group(tmp_path, ending, write, folders):
    for folder, values in zip(folders, (VALUES, MASKS), strict=True):
        (tmp_path / folder).mkdir()
        for volume in ("a", "b"):
            write(tmp_path / folder / f"{volume}{ending}", values)
    samples = FOLDER.read(tmp_path)
    assert [(sample.name, sample.group) for sample in samples[:4]] == [
        *[("a-00", "a"), ("a-01", "a"), ("a-02", "a"), ("b-00", "b")],
    ]
    image, label, _ = load_sample(samples[4], ENCODING)
    np.testing.assert_array_equal(image[..., 0], VALUES[1])
    np.testing.assert_array_equal(label, MASKS[1])


def write_dicom(path, values):
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.Modality = 7, 0, "OT"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7.2"
    del dataset.RescaleSlope, dataset.RescaleIntercept
    dataset.PixelData = values.tobytes()
    dataset.save_as(path)


def lay_side_by_side(root, ending):
    return [(root / f"{name}{ending}", root / f"{name}_mask{ending}") for name in "ab"]


def lay_by_patient(root, ending):
    return [(root / name / f"image{ending}", root / name / f"mask{ending}") for name in "ab"]


def list_in_a_table(root, ending):
    (root / "pairs.csv").write_text("".join(["image,mask\n", *(f"{n}{ending},drawn/{n}{ending}\n" for n in "ab")]))
    return [(root / f"{name}{ending}", root / "drawn" / f"{name}{ending}") for name in "ab"]


@pytest.mark.parametrize(("ending", "write"), [(".tif", write_tiff), (".nii.gz", write_nifti), (".dcm", write_dicom)])
@pytest.mark.parametrize("layout", [lay_side_by_side, lay_by_patient, list_in_a_table])
def test_stacks_lie_side_by_side_by_patient_or_in_a_table(tmp_path, layout, ending, write):
    for image, mask in layout(tmp_path, ending):
        for path, values in ((image, VALUES), (mask, MASKS)):
            path.parent.mkdir(exist_ok=True)
            write(path, values)
    contents = FOLDER.read.read_contents(tmp_path)
    assert [(sample.name, sample.group) for sample in contents.samples[2:5]] == [
        *[("a-02", "a"), ("b-00", "b"), ("b-01", "b")],
    ]
    assert len(contents.samples) == 6
    image, label, _ = load_sample(contents.samples[4], ENCODING)
    np.testing.assert_array_equal(image[..., 0], VALUES[1])
    np.testing.assert_array_equal(label, MASKS[1])


def test_volumes_of_one_name_in_two_parts_are_two_groups(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        write_tiff(tmp_path / part / "scan.tif", VALUES)
        write_tiff(tmp_path / part / "scan_mask.tif", MASKS)
    samples = FOLDER.read(tmp_path)
    assert {(sample.part, sample.group) for sample in samples} == {("train", "train_scan"), ("test", "test_scan")}
    assert len({sample.name for sample in samples}) == 6


def test_arrays_are_images_of_a_folder(tmp_path):
    for folder, values in (("images", VALUES), ("masks", MASKS)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", values[0])
    (sample,) = FOLDER.read(tmp_path)
    image, label, _ = load_sample(sample, ENCODING)
    assert (sample.name, image.shape, int(label.sum())) == ("a", (12, 16, 1), int(MASKS[0].sum()))


def test_slices_of_a_series_are_one_group_without_the_name_of_a_patient(tmp_path):
    (tmp_path / "images").mkdir()
    for number, series in enumerate(("1.2", "1.3", "1.2")):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.SeriesInstanceUID, dataset.PatientID = series, "Jones"
        dataset.save_as(tmp_path / "images" / f"slice{number}.dcm")
    assert [sample.group for sample in FOLDER.read(tmp_path)] == ["slice0", "slice1", "slice0"]
    by_name = FOLDER.read(tmp_path, group_pattern="[0-9]")
    assert [sample.group for sample in by_name] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("patients", "groups"),
    [
        (("Jones", "Smith", "Jones"), ("slice0", "slice1", "slice0")),
        (("Jones", "", "Jones"), ("slice0", "slice1", "slice2")),
        (("Jones", "Smith", ""), ("slice0", "slice1", "slice2")),
        (("removed", "removed", "removed"), ("slice0", "slice1", "slice2")),
    ],
)
def test_files_of_one_patient_are_one_group_unless_all_are_of_one(tmp_path, patients, groups):
    (tmp_path / "images").mkdir()
    for number, patient in enumerate(patients):
        dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
        dataset.SeriesInstanceUID, dataset.PatientID = f"1.{number}", patient
        dataset.save_as(tmp_path / "images" / f"slice{number}.dcm")
    assert tuple(sample.group for sample in FOLDER.read(tmp_path)) == groups


def test_volumes_of_one_patient_are_one_group(tmp_path):
    (tmp_path / "images").mkdir()
    for name, patient in (("a", "Jones"), ("b", "Jones"), ("c", "Smith")):
        path = tmp_path / "images" / f"{name}.dcm"
        write_dicom(path, VALUES)
        dataset = pydicom.dcmread(path)
        dataset.PatientID = patient
        dataset.save_as(path)
    assert [sample.group for sample in FOLDER.read(tmp_path)] == ["a"] * 6 + ["c"] * 3


def write_patients(tmp_path, *, parts=("", "", "")):
    """A table of two slices of each of three patients, in folders where slices of all patients have the same names."""
    rows = ["image,mask,split"] if any(parts) else ["image,mask"]
    for patient, part in zip(("P1", "P2", "P3"), parts, strict=True):
        (tmp_path / patient).mkdir()
        for number in range(2):
            dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
            dataset.SeriesInstanceUID, dataset.PatientID = f"1.{patient[1]}.{number}", patient
            dataset.save_as(tmp_path / patient / f"{number}.dcm")
            write_tiff(tmp_path / patient / f"{number}_mask.tif", np.zeros((dataset.Rows, dataset.Columns), np.uint8))
            own = part if number else parts[0]
            row = f"{patient}/{number}.dcm,{patient}/{number}_mask.tif"
            rows.append(f"{row},{own}" if any(parts) else row)
    (tmp_path / "pairs.csv").write_text("\n".join(rows))


def test_patients_whose_slices_have_the_same_names_are_not_mixed(tmp_path):
    write_patients(tmp_path)
    groups = {sample.name: sample.group for sample in TASKS["table"].read(tmp_path)}
    assert groups == {f"P{patient}_{number}": f"P{patient}_0" for patient in (1, 2, 3) for number in (0, 1)}


def test_the_doctor_finds_a_patient_in_two_parts(tmp_path):
    write_patients(tmp_path, parts=("train", "val", "test"))
    diagnosis = examine(tmp_path, task="table")
    causes = [finding.cause for finding in diagnosis.findings if finding.severity == "error"]
    assert any("train_P2_0 in train, validation_1 in validation" in cause for cause in causes)
