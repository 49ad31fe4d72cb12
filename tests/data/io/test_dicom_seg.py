import io
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from cenet.data.io.dicom_seg import SegmentedClasses, check_highdicom_installed, encode_dicom_segmentation
from cenet.errors import CenetError

CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))
RGB = Path(str(get_testdata_file("SC_rgb_jpeg.dcm", download=False)))


def write_slices(folder: Path, *positions: float) -> list[Path]:
    """Copies of a CT slice, as a series of several positions."""
    paths = []
    for number, position in enumerate(positions):
        dataset = pydicom.dcmread(CT)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.ImagePositionPatient = [*dataset.ImagePositionPatient[:2], position]
        dataset.PatientName = "Jones^Ann"
        paths.append(folder / f"{number}.dcm")
        dataset.save_as(paths[-1])
    return paths


def test_a_series_becomes_one_object_with_coded_segments_and_its_patient(tmp_path):
    paths = write_slices(tmp_path, 3, 1, 2)
    masks = np.zeros((3, 128, 128), np.uint8)
    masks[0, 5:9, 7:20], masks[1, 50:60, 3:4], masks[2, 1, 1] = 1, 2, 1

    content = encode_dicom_segmentation(paths, masks, SegmentedClasses(names=("lung", "tumour bed"), model="mine"))

    segmentation = highdicom.seg.segread(io.BytesIO(content))
    sources = [pydicom.dcmread(path) for path in paths]
    read = segmentation.get_pixels_by_source_instance(
        [source.SOPInstanceUID for source in sources], combine_segments=True, skip_overlap_checks=True
    )
    np.testing.assert_array_equal(read, masks)
    kinds = [segmentation.get_segment_description(number).segmented_property_type for number in (1, 2)]
    assert [(kind.value, kind.scheme_designator) for kind in kinds] == [("39607008", "SCT"), ("TUMOUR BED", "99CENET")]
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert segmentation[keyword].value == sources[0][keyword].value
    assert segmentation.SeriesInstanceUID != sources[0].SeriesInstanceUID
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.PixelSpacing == sources[0].PixelSpacing


def test_a_nested_class_lies_inside_the_segment_of_the_one_before():
    masks = np.zeros((256, 256), np.uint8)
    masks[10:30, 10:30], masks[15:20, 15:20] = 1, 2
    content = encode_dicom_segmentation(RGB.read_bytes(), masks, SegmentedClasses(names=("disc", "cup"), nested=True))
    disc, cup = pydicom.dcmread(io.BytesIO(content)).pixel_array
    np.testing.assert_array_equal(disc, masks >= 1)
    np.testing.assert_array_equal(cup, masks == 2)


def test_a_time_of_old_equipment_is_written_as_today(tmp_path):
    path = write_slices(tmp_path, 0)[0]
    study_time = b"\x08\x00\x30\x00TM\x06\x00"
    content = path.read_bytes()
    assert study_time + b"072730" in content
    path.write_bytes(content.replace(study_time + b"072730", study_time + b"07:27 "))
    content = encode_dicom_segmentation(path, np.zeros((128, 128), np.uint8), SegmentedClasses(names=("lung",)))
    assert pydicom.dcmread(io.BytesIO(content)).StudyTime.startswith("0727")


def test_an_empty_mask_is_an_object_too():
    content = encode_dicom_segmentation(CT, np.zeros((128, 128), np.uint8), SegmentedClasses(names=("lung",)))
    assert not pydicom.dcmread(io.BytesIO(content)).pixel_array.any()


@pytest.mark.parametrize(("tag", "cause"), [("StudyInstanceUID", "lacks StudyInstanceUID"), ("Rows", "fit")])
def test_a_source_that_nothing_can_refer_to_is_refused_without_its_tags(tmp_path, tag, cause):
    path = write_slices(tmp_path, 0)[0]
    dataset = pydicom.dcmread(path)
    del dataset[tag]
    dataset.save_as(path)
    with pytest.raises((CenetError, ValueError), match=cause) as caught:
        encode_dicom_segmentation(path, np.zeros((128, 128), np.uint8), SegmentedClasses(names=("lung",)))
    assert "Jones" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no dicom at all", b"\x89PNG" + bytes(500)])
def test_what_is_no_dicom_is_refused(content):
    with pytest.raises(CenetError):
        encode_dicom_segmentation(content, np.zeros((4, 4), np.uint8), SegmentedClasses(names=("lung",)), name="upload")


def test_masks_of_other_classes_and_frames_without_a_place_are_refused(tmp_path):
    classes = SegmentedClasses(names=("lung",), model="mine")
    with pytest.raises(ValueError, match="values up to 1"):
        encode_dicom_segmentation(CT, np.full((128, 128), 2, np.uint8), classes)
    with pytest.raises(ValueError, match="do not fit 1 frames"):
        encode_dicom_segmentation(CT, np.zeros((2, 128, 128), np.uint8), classes)
    paths = write_slices(tmp_path, 1, 2)
    for path in paths:
        dataset = pydicom.dcmread(path)
        del dataset.FrameOfReferenceUID
        dataset.save_as(path)
    with pytest.raises(CenetError, match="no position in a patient"):
        encode_dicom_segmentation(paths, np.zeros((2, 128, 128), np.uint8), classes)


def test_a_source_without_modality_is_of_another_kind(tmp_path):
    dataset = pydicom.dcmread(CT)
    del dataset.Modality
    dataset.save_as(tmp_path / "x.dcm")
    classes = SegmentedClasses(names=("lung",), model="mine")
    content = encode_dicom_segmentation(tmp_path / "x.dcm", np.zeros((128, 128), np.uint8), classes)
    assert pydicom.dcmread(io.BytesIO(content)).PatientID == dataset.PatientID


def test_without_highdicom_the_way_to_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(CenetError) as caught:
        check_highdicom_installed()
    assert "cenet[medical]" in caught.value.remedy
