"""Formats beside PNG, JPEG and TIFF."""

import gzip

import nibabel
import numpy as np
import pytest
from PIL import Image

from cenet.data.io.decoding_errors import UnknownFormatError
from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import describe_file, page_count, read_image
from cenet.errors import CenetError

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_ppm_and_its_gzip_are_read(tmp_path):
    plain = tmp_path / "im.ppm"
    Image.fromarray(VALUES).save(plain)
    packed = tmp_path / "im.ppm.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    np.testing.assert_array_equal(read_image(plain), VALUES)
    np.testing.assert_array_equal(read_image(packed), VALUES)


def test_pgm_of_16_bits_keeps_its_values_and_a_ppm_of_16_bits_is_refused(tmp_path):
    path = tmp_path / "im.pgm"
    path.write_bytes(b"P5 2 1 65535\n" + bytes([1, 2, 3, 4]))
    assert read_image(path).ravel().tolist() == [258, 772]
    path.write_bytes(b"P6 1 1 65535\n" + bytes(6))
    with pytest.raises(CenetError):
        read_image(path)


def test_lossless_webp_is_read(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "im.webp", lossless=True)
    np.testing.assert_array_equal(read_image(tmp_path / "im.webp"), VALUES)


def test_npy_is_read_without_pickles(tmp_path):
    np.save(tmp_path / "im.npy", VALUES.astype(np.int16))
    image = read_image(tmp_path / "im.npy")
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, VALUES)
    np.save(tmp_path / "bad.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(CenetError):
        read_image(tmp_path / "bad.npy")
    np.save(tmp_path / "nan.npy", np.full((9, 9), np.nan, np.float32))
    with pytest.raises(CenetError):
        read_image(tmp_path / "nan.npy")


@pytest.mark.parametrize("start", [b"\0\0\0\x18ftypheic", b"%PDF-1.7", b"\x89HDF\r\n", b"NRRD0004"])
def test_what_is_not_supported_is_named_with_the_way_out(tmp_path, start):
    path = tmp_path / "eye.jpg"
    path.write_bytes(start + bytes(400))
    with pytest.raises(UnknownFormatError) as caught:
        read_image(path)
    assert "which is not read" in caught.value.cause


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_axial_slices_are_turned_as_a_radiologist_sees_them(tmp_path, ending):
    ras = np.zeros((5, 4, 2), np.int16)  # x to the right, y to anterior, z up
    ras[4, 0, 1] = 7  # at the patient's right and back
    ras[0, 3, 1] = 9  # at the left and front
    path = tmp_path / f"ct{ending}"
    nibabel.save(nibabel.Nifti1Image(ras, np.diag([0.5, 0.25, 3, 1])), path)
    assert page_count(path) == 2
    image = read_image(path, page=1)[..., 0]
    assert image.shape == (4, 5)
    assert image[3, 0] == 7  # right is left of the image, back is below
    assert image[0, 4] == 9
    size = read_pixel_size(path)
    assert size is not None
    assert (size.height_mm, size.width_mm) == (0.25, 0.5)
    assert "axial" in describe_file(path)[0]


def test_turning_and_its_way_back_do_not_depend_on_how_a_volume_is_stored(tmp_path):
    from cenet.data.io.nifti import find_slice_geometry

    ras = np.random.default_rng(0).integers(0, 99, (5, 4, 3)).astype(np.int16)
    volume = nibabel.Nifti1Image(ras, np.diag([2.0, 1, 3, 1]))
    images = []
    for codes in ("RAS", "LPS", "ARS", "PLS"):
        turned = volume.as_reoriented(
            nibabel.orientations.ornt_transform(
                nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
            )
        )
        nibabel.save(turned, tmp_path / "v.nii")
        images.append(read_image(tmp_path / "v.nii", page=1)[..., 0])
        slice_ = np.asarray(turned.dataobj)[:, :, 1]
        np.testing.assert_array_equal(find_slice_geometry(turned).to_slice(images[-1].astype(np.int16)), slice_)
    for image in images[1:]:
        np.testing.assert_array_equal(image, images[0])


def test_a_volume_without_orientation_says_so(tmp_path):
    volume = nibabel.Nifti1Image(np.zeros((3, 3, 2), np.int16), None)
    nibabel.save(volume, tmp_path / "v.nii")
    assert "no orientation" in describe_file(tmp_path / "v.nii")[0]


@pytest.mark.parametrize(("dpi", "size_mm"), [(2540, 0.01), (300, None)])
def test_the_resolution_of_a_png_or_tiff_counts_unless_it_is_that_of_a_printer(tmp_path, dpi, size_mm):
    for ending in ("png", "tif"):
        Image.fromarray(VALUES).save(tmp_path / f"x.{ending}", dpi=(dpi, dpi))
        size = read_pixel_size(tmp_path / f"x.{ending}")
        assert (size and round(size.height_mm, 5)) == size_mm


def test_truth_values_of_npy_are_black_and_white(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.bool_))
    image = read_image(tmp_path / "x.npy")
    assert image.dtype == np.uint8
    assert image[..., 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


@pytest.mark.parametrize("codes", ["RSA", "SLP", "LIP", "IRA", "ASR", "SPL", "PIR", "IAL"])
def test_in_coronal_and_sagittal_slices_the_head_is_above(tmp_path, codes):
    ras = np.random.default_rng(0).integers(0, 99, (5, 4, 3)).astype(np.int16)
    start, end = (nibabel.orientations.axcodes2ornt(names) for names in ("RAS", codes))
    volume = nibabel.Nifti1Image(ras, np.diag([2.0, 1, 3, 1]))
    nibabel.save(volume.as_reoriented(nibabel.orientations.ornt_transform(start, end)), tmp_path / "v.nii")
    is_coronal = codes[2] in "AP"
    at = 1 if codes[2] in "RA" else ras.shape[is_coronal] - 2
    expected = ras[::-1, at, ::-1].T if is_coronal else ras[at, ::-1, ::-1].T  # to the left, or to the back; downwards
    np.testing.assert_array_equal(read_image(tmp_path / "v.nii", page=1)[..., 0], expected)
    size = read_pixel_size(tmp_path / "v.nii")
    assert (size.height_mm, size.width_mm) == (3, 2 if is_coronal else 1)
