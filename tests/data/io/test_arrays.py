"""Files of arrays: whatever is in one, the outcome is the arrays that were asked for or one sentence."""

import os
import warnings
import zipfile

import numpy as np
import pytest

from cenet.data.io.arrays import INTEGERS, ArraySpec, read_arrays
from cenet.errors import CenetError

IMAGE, LABEL = ArraySpec(("u1", "f4"), ("height", "width", 3)), ArraySpec(INTEGERS, ("height", "width"))
SPECS = {"image": IMAGE, "label": LABEL}
SOUND = {"image": np.zeros((4, 5, 3), np.uint8), "label": np.zeros((4, 5), np.int64)}


def read(path, **options):
    return read_arrays(path, SPECS, remedy="make it again", **options)


def refuse(path, **options):
    with pytest.raises(CenetError) as refusal, warnings.catch_warnings(action="ignore"):
        read(path, **options)
    assert (refusal.value.subject, refusal.value.remedy) == (str(path), "make it again")
    assert "\n" not in str(refusal.value)
    return refusal.value.cause


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_they_were_written(tmp_path, save):
    image = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
    label = np.asfortranarray(np.arange(20, dtype=np.uint16).reshape(4, 5))
    save(tmp_path / "case.npz", image=image, label=label, more=np.zeros(3))
    arrays = read(tmp_path / "case.npz")
    assert arrays.keys() == SPECS.keys()
    np.testing.assert_array_equal(arrays["image"], image, strict=True)
    np.testing.assert_array_equal(arrays["label"], label, strict=True)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"label": np.zeros((4, 5))}, "label holds float64, not i or u"),
        ({"label": np.array([[{}]])}, "label holds object"),
        ({"image": np.zeros((4, 5, 3), np.float64)}, "image holds float64, not u1 or f4"),
        ({"image": np.zeros((4, 5, 4), np.uint8)}, "image has the shape (4, 5, 4), not (height, width, 3)"),
        ({"label": np.zeros((4, 6), np.int64)}, "label has the shape (4, 6)"),
        ({"label": np.zeros(4, np.int64)}, "label has the shape (4,)"),
    ],
)
def test_other_arrays_are_refused(tmp_path, changes, cause):
    np.savez(tmp_path / "case.npz", **{**SOUND, **changes})
    assert refuse(tmp_path / "case.npz").startswith(cause)


def test_an_array_that_is_missing_is_refused(tmp_path):
    np.savez(tmp_path / "case.npz", image=SOUND["image"])
    assert refuse(tmp_path / "case.npz") == "is corrupted"


def write_label(path, header_shape, content, compression=zipfile.ZIP_DEFLATED):
    """A file with a sound image, and a label whose header claims a shape."""
    np.savez(path, image=SOUND["image"])
    with zipfile.ZipFile(path, "a", compression) as archive, archive.open("label.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array_header_1_0(entry, {"descr": "<i8", "fortran_order": False, "shape": header_shape})
        for part in content:
            entry.write(part)


def test_a_small_file_that_decodes_to_gigabytes_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "case.npz"
    write_label(path, (4, 2**26), [bytes(2**20)] * 40)
    assert path.stat().st_size < 100_000
    assert refuse(path, max_decoded_bytes=2**25).startswith("decodes to 40 MiB, over the limit of 32 MiB")


def test_an_array_that_claims_to_be_larger_than_it_is_is_refused(tmp_path):
    write_label(tmp_path / "case.npz", (4, 5 * 10**17), [bytes(160)])
    assert refuse(tmp_path / "case.npz").startswith("label has the shape")
    write_label(tmp_path / "case.npz", (4, 5), [bytes(152)])
    assert refuse(tmp_path / "case.npz").startswith("label is not as long")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_cenet_does_not_write_is_refused(tmp_path, compression):
    write_label(tmp_path / "case.npz", (4, 5), [bytes(160)], compression)
    assert refuse(tmp_path / "case.npz") == "is no archive that cenet writes"


def test_an_archive_of_very_many_files_is_refused(tmp_path):
    path = tmp_path / "case.npz"
    np.savez(path, **SOUND)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(2000):
            archive.writestr(f"{number}", b"")
    assert refuse(path) == "is no archive that cenet writes"


def test_a_file_that_is_too_large_missing_or_no_archive_is_refused(tmp_path):
    path = tmp_path / "case.npz"
    assert "cannot be read" in refuse(path)
    np.savez(path, **SOUND)
    assert refuse(path, max_bytes=100).startswith("the file is larger")
    path.write_bytes(path.read_bytes()[:-30])
    assert refuse(path) == "is corrupted"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "case.npz")
    assert refuse(tmp_path / "case.npz") == "it is no regular file"


def test_any_flipped_byte_gives_arrays_or_a_refusal(tmp_path):
    path = tmp_path / "case.npz"
    np.savez_compressed(path, **SOUND)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            with warnings.catch_warnings(action="ignore"):
                read(path)
        except CenetError:
            continue
