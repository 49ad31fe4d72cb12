"""Files that would take very long to decode are refused."""

import pytest
from PIL import Image

from cenet.data.io.limits import MAX_JPEG_SCANS
from cenet.data.io.read import read_image
from cenet.errors import CenetError


def progressive_jpeg(path, scans):
    """A progressive JPEG whose last scan is repeated until there are so many."""
    Image.new("L", (64, 64), 100).save(path, progressive=True)
    content = path.read_bytes()
    last = content[content.rindex(b"\xff\xda") : -2]
    path.write_bytes(content[:-2] + last * (scans - content.count(b"\xff\xda")) + content[-2:])


def test_a_jpeg_of_very_many_scans_is_refused(tmp_path):
    progressive_jpeg(tmp_path / "a.jpg", MAX_JPEG_SCANS)
    assert read_image(tmp_path / "a.jpg").shape == (64, 64, 1)
    progressive_jpeg(tmp_path / "a.jpg", 3000)
    with pytest.raises(CenetError) as error:
        read_image(tmp_path / "a.jpg")
    assert "3000 scans" in error.value.cause


def test_the_bytes_of_metadata_and_of_what_follows_the_image_are_no_scans(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("L", (64, 64), 100).save(path, progressive=True, exif=b"Exif\0\0" + b"\xff\xda\0\2" * 100)
    path.write_bytes(path.read_bytes() + b"\xff\xda" * 100)
    assert read_image(path).shape == (64, 64, 1)
