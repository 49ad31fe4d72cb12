import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from cenet.data.io.dicom import DisplayWindow, read_display_window
from cenet.data.io.limits import ImageTooLargeError
from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import describe_file, page_count, read_image
from cenet.errors import CenetError


def real(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


def dicom(path: Path, pixels: np.ndarray, preamble: bytes = bytes(128), **tags: object) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), Dataset(), file_meta=meta, preamble=preamble)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("CT_small.dcm", (128, 128, 1), "float32"),
        ("SC_rgb_rle_16bit_2frame.dcm", (100, 100, 3), "uint16"),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", (100, 100, 3), "uint8"),
        ("SC_ybr_full_422_uncompressed.dcm", (100, 100, 3), "uint8"),
        ("examples_palette.dcm", (350, 800, 3), "uint8"),
        ("MR_small_bigendian.dcm", (64, 64, 1), "float32"),
        ("JPEGLSNearLossless_16.dcm", (50, 10, 1), "uint16"),
        ("liver_1frame.dcm", (512, 512, 1), "uint8"),
    ],
)
def test_real_files_of_every_kind_are_read(name, shape, dtype):
    path = real(name)
    image = read_image(path, page=0)
    assert (image.shape, str(image.dtype)) == (shape, dtype)


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"])
def test_lossless_compressions_hold_the_same_values(name):
    np.testing.assert_array_equal(read_image(real(name)), read_image(real("MR_small.dcm")))


def test_a_ct_keeps_hounsfield_units():
    dataset = pydicom.dcmread(real("CT_small.dcm"))
    expected = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    np.testing.assert_array_equal(read_image(real("CT_small.dcm"))[..., 0], expected)


def test_monochrome1_becomes_bright_where_it_is_shown_bright(tmp_path):
    path = dicom(tmp_path / "x.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_image(path)[..., 0], 255 - RAMP)


def test_frames_are_pages(tmp_path):
    frames = np.stack([RAMP, RAMP + 100])
    path = dicom(tmp_path / "x.dcm", RAMP, NumberOfFrames=2, PixelData=frames.tobytes())
    assert page_count(path) == 2
    np.testing.assert_array_equal(read_image(path, page=1)[..., 0], frames[1])
    with pytest.raises(CenetError):
        read_image(path)


def test_a_tiff_header_in_the_preamble_makes_no_tiff_of_a_dicom(tmp_path):
    path = dicom(tmp_path / "slide.tif", RAMP, preamble=b"II*\0" + bytes(124))
    np.testing.assert_array_equal(read_image(path)[..., 0], RAMP)


def test_a_file_without_preamble_is_read(tmp_path):
    whole = dicom(tmp_path / "x.dcm", RAMP)
    dataset = pydicom.dcmread(whole)
    bare = tmp_path / "bare.dcm"
    pydicom.dcmwrite(bare, Dataset(dataset), implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read_image(bare)[..., 0], RAMP)


def test_pixel_size_is_known_where_it_is_stated(tmp_path):
    size = read_pixel_size(dicom(tmp_path / "x.dcm", RAMP, PixelSpacing=[0.5, 0.25]))
    assert size is not None
    assert (size.height_mm, size.width_mm, size.area_mm2) == (0.5, 0.25, 0.125)
    assert read_pixel_size(dicom(tmp_path / "y.dcm", RAMP)) is None


def test_burned_in_text_is_warned_about(tmp_path):
    assert describe_file(dicom(tmp_path / "x.dcm", RAMP, BurnedInAnnotation="YES"))
    assert not describe_file(dicom(tmp_path / "y.dcm", RAMP, BurnedInAnnotation="NO"))


def test_a_size_in_the_header_is_checked_before_anything_is_decoded(tmp_path):
    with pytest.raises(ImageTooLargeError):
        read_image(dicom(tmp_path / "x.dcm", RAMP, Rows=60000, Columns=60000))


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan.dcm", "rtstruct.dcm", "JPGExtended.dcm", "image_dfl.dcm"])
def test_what_cannot_be_read_is_refused_without_a_tag(name, capsys, caplog):
    dataset = pydicom.dcmread(real(name), force=True, stop_before_pixels=True)
    secrets = [str(dataset.get(tag)) for tag in ("PatientName", "PatientID", "StudyInstanceUID") if dataset.get(tag)]
    with pytest.raises(CenetError) as caught:
        read_image(real(name))
    output = str(caught.value) + caplog.text + "".join(capsys.readouterr())
    assert not [secret for secret in secrets if secret in output]


def test_a_file_cut_anywhere_is_refused(tmp_path):
    content = dicom(tmp_path / "x.dcm", RAMP, PatientName="SECRET^NAME").read_bytes()
    for length in range(140, len(content) - 1, 61):
        path = tmp_path / "cut.dcm"
        path.write_bytes(content[:length])
        with pytest.raises(CenetError) as caught:
            read_image(path)
        assert "SECRET" not in str(caught.value)


def test_a_frame_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CenetError, match="there is no frame 1 in it"):
        read_image(dicom(tmp_path / "x.dcm", RAMP), page=1)


def test_the_spacing_of_all_frames_is_that_of_their_group(tmp_path):
    measures, group = Dataset(), Dataset()
    measures.PixelSpacing = [0.5, 0.25]
    group.PixelMeasuresSequence = [measures]
    path = dicom(tmp_path / "x.dcm", RAMP, SharedFunctionalGroupsSequence=[Dataset(), group])
    size = read_pixel_size(path)
    assert (size.height_mm, size.width_mm) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("tags", "window"),
    [
        ({"WindowCenter": 40, "WindowWidth": 400}, DisplayWindow(-160, 240)),
        ({"WindowCenter": [40, -600], "WindowWidth": [400, 1500]}, DisplayWindow(-160, 240)),
        ({"WindowCenter": 40}, None),
        ({}, None),
        ({"WindowCenter": 40, "WindowWidth": 400, "PhotometricInterpretation": "MONOCHROME1"}, None),
    ],
    ids=str,
)
def test_the_first_display_window_counts(tmp_path, tags, window):
    assert read_display_window(dicom(tmp_path / "x.dcm", RAMP, **tags)) == window


@pytest.mark.parametrize(
    ("tags", "cause"),
    [
        ({"SamplesPerPixel": 4}, "4 samples a pixel"),
        ({"Rows": 0}, "holds no image"),
        ({"PixelData": b""}, ""),
    ],
    ids=str,
)
def test_a_header_that_fits_no_image_is_refused(tmp_path, tags, cause):
    with pytest.raises(CenetError) as caught:
        read_image(dicom(tmp_path / "x.dcm", RAMP, **tags))
    assert cause in caught.value.cause


def compressed(path, syntax, frame=None, **tags):
    """A copy of a file in JPEG 2000 that states another transfer syntax, frame or size."""
    dataset = pydicom.dcmread(real("MR_small_jp2klossless.dcm"))
    dataset.file_meta.TransferSyntaxUID = syntax
    if frame is not None:
        dataset.PixelData = pydicom.encaps.encapsulate([frame])
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(
    ("syntax", "cause"),
    [
        (pydicom.uid.MPEG2MPML, "the transfer syntax MPEG2 Main Profile / Main Level cannot be decoded"),
        (pydicom.uid.UID("1.2.3.4"), ""),
    ],
)
def test_a_transfer_syntax_that_is_not_read_is_named(tmp_path, syntax, cause):
    with pytest.raises(CenetError) as caught:
        read_image(compressed(tmp_path / "x.dcm", syntax))
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    ("syntax", "remedy"), [(pydicom.uid.JPEG2000Lossless, "cenet[medical]"), (pydicom.uid.JPEGLossless, "python-gdcm")]
)
def test_a_decoder_that_is_not_installed_is_named(tmp_path, monkeypatch, syntax, remedy):
    monkeypatch.setattr(type(pydicom.pixels.get_decoder(syntax)), "is_available", property(lambda _: False))
    with pytest.raises(CenetError) as caught:
        read_image(compressed(tmp_path / "x.dcm", syntax))
    assert remedy in caught.value.remedy


def test_a_frame_of_another_size_than_the_header_states_is_refused(tmp_path):
    with pytest.raises(CenetError, match="another size than its header states"):
        read_image(compressed(tmp_path / "x.dcm", pydicom.uid.JPEG2000Lossless, Rows=32))


def test_without_pydicom_the_way_to_it_is_named(tmp_path, monkeypatch):
    path = dicom(tmp_path / "x.dcm", RAMP)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(CenetError) as caught:
        read_image(path)
    assert "cenet[medical]" in caught.value.remedy


def item(keyword, **tags):
    """A functional group with one sequence of one item."""
    statement, group = Dataset(), Dataset()
    for name, value in tags.items():
        setattr(statement, name, value)
    setattr(group, keyword, [statement])
    return group


def rescale(slope, intercept):
    tags = {"RescaleSlope": slope, "RescaleIntercept": intercept, "RescaleType": "HU"}
    return item("PixelValueTransformationSequence", **tags)


ENHANCED = {"SOPClassUID": pydicom.uid.EnhancedCTImageStorage, "NumberOfFrames": 2, "PixelData": RAMP.tobytes() * 2}
PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"


@pytest.mark.parametrize(
    ("tags", "pairs"),
    [
        ({PER_FRAME: [rescale(1, -1024), rescale(2, -500)]}, [(1, -1024), (2, -500)]),
        ({PER_FRAME: [Dataset(), Dataset()], SHARED: [rescale(1, -1024)]}, [(1, -1024), (1, -1024)]),
        ({PER_FRAME: [rescale(3, 7), Dataset()], SHARED: [rescale(1, -1024)]}, [(3, 7), (1, -1024)]),
        ({SHARED: [Dataset()], "RescaleSlope": 2, "RescaleIntercept": -9}, [(2, -9), (2, -9)]),
        ({SHARED: [rescale(1, -1024)], "RescaleSlope": 2, "RescaleIntercept": -9}, [(1, -1024), (1, -1024)]),
        ({SHARED: [rescale(1, 0)]}, [(1, 0), (1, 0)]),
    ],
)
def test_each_frame_of_an_enhanced_ct_has_its_own_rescale(tmp_path, tags, pairs):
    path = dicom(tmp_path / "x.dcm", RAMP, **ENHANCED, **tags)
    for page, (slope, intercept) in enumerate(pairs):
        image = read_image(path, page=page)
        assert image.dtype == np.float32
        np.testing.assert_array_equal(image[..., 0], RAMP.astype(np.float32) * slope + intercept)


@pytest.mark.parametrize(
    "tags",
    [
        ENHANCED,
        {**ENHANCED, PER_FRAME: [Dataset(), Dataset()], SHARED: [Dataset()]},
        {"SOPClassUID": pydicom.uid.CTImageStorage},
        {"Modality": "CT", "RescaleSlope": "", "RescaleIntercept": ""},
    ],
)
def test_a_ct_without_a_rescale_is_refused(tmp_path, tags):
    with pytest.raises(CenetError, match="states no rescale"):
        read_image(dicom(tmp_path / "x.dcm", RAMP, **tags), page=0)


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": "", "RescaleIntercept": -1024},
        {"RescaleSlope": 1},
        {"RescaleIntercept": -1024},
        {"RescaleSlope": [1, 2], "RescaleIntercept": 0},
    ],
)
def test_a_rescale_of_other_than_two_numbers_is_refused(tmp_path, tags):
    with pytest.raises(CenetError, match="slope and intercept are not two numbers"):
        read_image(dicom(tmp_path / "x.dcm", RAMP, **tags))


def test_nuclear_medicine_is_no_ct(tmp_path):
    path = dicom(tmp_path / "x.dcm", RAMP, SOPClassUID=pydicom.uid.NuclearMedicineImageStorage)
    assert read_image(path).dtype == np.uint8


def test_the_frames_of_a_file_have_one_type_of_values(tmp_path):
    tags = ENHANCED | {"SOPClassUID": pydicom.uid.EnhancedMRImageStorage}
    plain = dicom(tmp_path / "plain.dcm", RAMP, **tags, **{PER_FRAME: [rescale(1, 0), rescale(1, 0)]})
    mixed = dicom(tmp_path / "mixed.dcm", RAMP, **tags, **{PER_FRAME: [rescale(1, 0), rescale(2, 0)]})
    assert [read_image(plain, page=page).dtype for page in range(2)] == [np.uint8, np.uint8]
    assert [read_image(mixed, page=page).dtype for page in range(2)] == [np.float32, np.float32]


def test_each_frame_has_the_window_that_is_stated_of_it(tmp_path):
    own = item("FrameVOILUTSequence", WindowCenter=[40, 9], WindowWidth=[400, 9])
    shared = item("FrameVOILUTSequence", WindowCenter=-600, WindowWidth=1500)
    path = dicom(tmp_path / "x.dcm", RAMP, **ENHANCED, **{PER_FRAME: [own, Dataset()], SHARED: [shared]})
    windows = [read_display_window(path, page=page) for page in range(2)]
    assert windows == [DisplayWindow(-160, 240), DisplayWindow(-1350, 150)]


def test_the_size_in_the_patient_comes_before_that_at_the_detector(tmp_path):
    tags = {"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [0.7, 0.35]}
    assert read_pixel_size(dicom(tmp_path / "x.dcm", RAMP, **tags)).height_mm == 0.5


def test_signed_values_of_monochrome1_are_turned_around_their_middle(tmp_path):
    values = (np.arange(64, dtype=np.int16) - 32).reshape(8, 8)
    tags = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1, "PhotometricInterpretation": "MONOCHROME1"}
    np.testing.assert_array_equal(read_image(dicom(tmp_path / "x.dcm", values, **tags))[..., 0], -1 - values)
