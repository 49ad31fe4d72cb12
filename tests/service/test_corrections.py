"""Corrections are kept with their provenance, and nothing that was saved is lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from stub_service import encode_image, stub_model

from cenet.data.io.read import read_label
from cenet.datasets.folder import read_folder
from cenet.errors import CenetError
from cenet.service.answers import encode_run_lengths
from cenet.service.corrections import CorrectionFolder, SentClass, decode_mask
from cenet.service.problems import ProblemError
from cenet.service.schemas import RunLengths
from cenet.service.uploads import Upload

MODEL = stub_model(classes=("left", "right"), num_classes=3)
MASK = np.array([[0, 1, 2], [1, 1, 0]], np.uint8)


def sent(mask):
    return [SentClass(index=index, rle=encode_run_lengths(mask == index)) for index in (1, 2)]


def save(folder, mask=MASK, *, content=b"an image", name="eye.png", model=MODEL, suffix=".png"):
    upload = Upload(content, suffix)
    return CorrectionFolder(folder).save(upload, name=name, model=model, predicted=np.zeros_like(mask), corrected=mask)


def test_a_mask_is_what_was_sent():
    assert decode_mask(sent(MASK), MODEL).tolist() == MASK.tolist()


@pytest.mark.parametrize(
    ("size", "first", "second"),
    [
        ((2, 3), [0, 6], [0, 6]),
        ((2, 3), [5], [6]),
        ((2, 3), [-1, 7], [6]),
        ((0, 0), [0], [0]),
        ((10**6, 10**6), [10**12], [10**12]),
        ((2, 3), [10**30], [6]),
        ((2, 3), [10**400], [6]),
        ((2, 3), [], [6]),
    ],
    ids=["overlap", "too short", "negative", "empty", "too many pixels", "a huge run", "no float", "no run"],
)
def test_run_lengths_that_are_no_mask_are_refused(size, first, second):
    classes = [SentClass(index=n, rle=RunLengths(size=size, counts=c)) for n, c in enumerate((first, second), 1)]
    with pytest.raises(ProblemError):
        decode_mask(classes, MODEL)
    with pytest.raises(ProblemError):
        decode_mask(classes[:1], MODEL)


def test_an_image_that_is_saved_again_has_one_mask_and_loses_none(tmp_path):
    for number in range(3):
        save(tmp_path, MASK if number else MASK[::-1])
    folder = tmp_path / "bright"
    assert [sample.name for sample in read_folder(folder)] == ["eye"]
    assert read_label(folder / "masks" / "eye.png").tolist() == MASK.tolist()
    earlier = sorted(path.name for path in (folder / "earlier" / "masks").iterdir())
    assert earlier == ["eye-1.png", "eye-2.png"]
    assert read_label(folder / "earlier" / "masks" / "eye-1.png").tolist() == MASK[::-1].tolist()


def test_another_image_of_the_same_name_gets_another_name(tmp_path):
    save(tmp_path)
    provenance = save(tmp_path, content=b"another")
    assert provenance.image == "images/eye-2.png"
    assert len(read_folder(tmp_path / "bright")) == 2


@pytest.mark.parametrize("suffix", [".nii.gz", ".ppm.gz", ".pgm.gz"])
def test_a_mask_is_found_by_the_name_of_its_image_also_where_that_has_two_endings(tmp_path, suffix):
    for _ in range(2):
        assert save(tmp_path, name=f"eye{suffix}", suffix=suffix).image == f"images/eye{suffix}"
    (sample,) = read_folder(tmp_path / "bright")
    assert sample.name == "eye"
    assert read_label(*sample.label).tolist() == MASK.tolist()


@pytest.mark.parametrize("in_the_way", [lambda path: path.symlink_to("gone.png"), Path.mkdir], ids=["link", "folder"])
def test_what_is_no_image_keeps_its_name(tmp_path, in_the_way):
    images = tmp_path / "bright" / "images"
    images.mkdir(parents=True)
    in_the_way(images / "eye.png")
    assert save(tmp_path).image == "images/eye-2.png"


@pytest.mark.parametrize("name", ["../../out.png", "/etc/out.png", "..\\out.png", "out\0.png", "....", ".hidden.png"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    save(tmp_path / "in", name=name)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    (image,) = (tmp_path / "in" / "bright" / "images").iterdir()
    assert not image.name.startswith(".")


@pytest.mark.parametrize("letter", ["眼", "é", "e"])
def test_a_long_name_is_cut_between_two_letters(tmp_path, letter):
    for content in (b"one", b"another"):
        image = save(tmp_path, name=f"{letter * 300}.png", content=content).image.removeprefix("images/")
        assert set(image.removesuffix(".png").removesuffix("-2")) == {letter}
    assert len(read_folder(tmp_path / "bright")) == 2


def test_a_system_that_gives_no_access_is_reported(tmp_path, monkeypatch):
    save(tmp_path)

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CenetError, match="Permission denied"):
        save(tmp_path)


def test_the_meaning_of_the_values_is_written_and_another_meaning_refused(tmp_path):
    save(tmp_path)
    classes = json.loads((tmp_path / "bright" / "classes.json").read_text())
    assert [(spec["name"], spec["value"]) for spec in classes["classes"]] == [("left", 1), ("right", 2)]
    with pytest.raises(CenetError):
        save(tmp_path, model=stub_model(classes=("up", "down"), num_classes=3))


def test_the_provenance_says_what_was_changed(tmp_path):
    provenance = save(tmp_path, content=encode_image())
    assert provenance.changed_pixels == 4
    assert provenance.added_pixels == {"left": 3, "right": 1}
    assert provenance.removed_pixels == {"left": 0, "right": 0}
    assert json.loads((tmp_path / "bright" / "provenance" / "eye.json").read_text())["model"] == "bright"
