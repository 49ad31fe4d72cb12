"""Shards are joined where nothing is missing, doubled or changed."""

import json
import shutil

import pytest

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.inference.merge_shards import merge_shards
from cenet.inference.predict import FailedImagesError, write_predictions
from cenet.inference.shards import Shard, declare_shard


@pytest.fixture
def predicted(tmp_path):
    """Three images in two shards, whose masks are a word."""
    titles, settings = ["a.png", "b.png", "c.png"], {"run": "this"}
    for number in (1, 2):
        shard = Shard(number, 2)
        output = OutputFolder(tmp_path, verb="predict", part=shard.name)
        own = shard.select(titles)
        declare_shard(output, shard, titles, {title: {"mask": f"{title[0]}_mask.png"} for title in own}, settings)
        for title in own:
            output.write_text(f"{title[0]}_mask.png", f"mask of {title}")
            note = {"image": title, "prefix": title[0], "image_sha256": "0", "engine": f"torch 2.{number}"}
            output.add_note({**note, **settings})
    return tmp_path


def test_complete_shards_are_listed_in_the_order_of_their_images(predicted):
    assert merge_shards(predicted) == ["computed by torch 2.1 and torch 2.2, whose masks may differ in single pixels"]
    lines = (predicted / "predictions.csv").read_text().splitlines()
    assert lines[:2] == ["image,mask,image_sha256,engine", "a.png,a_mask.png,0,torch 2.1"]
    assert len(lines) == 4
    assert len(merge_shards(predicted)) == 1  # as often as one likes


def lose_a_shard(folder):
    (folder / ".cenet-2-of-2.json").unlink()


def lose_a_list(folder):
    (folder / ".cenet-2-of-2.jsonl").unlink()


def lose_a_mask(folder):
    (folder / "b_mask.png").unlink()


def change_a_mask(folder):
    (folder / "b_mask.png").write_text("another mask")


def change_a_model(folder):
    rewrite(folder, settings={"run": "other"})


def double_an_image(folder):
    rewrite(folder, files={"a.png": {"mask": "a_mask.png"}})


def add_an_image(folder):
    rewrite(folder, files={"b.png": {"mask": "b_mask.png"}, "a.png": {"mask": "a_mask.png"}})


def corrupt_a_shard(folder):
    (folder / ".cenet-2-of-2.json").write_text("{")


def put_a_file_in_the_way(folder):
    (folder / "predictions.csv").write_text("mine")


def rewrite(folder, **changes):
    file = folder / ".cenet-2-of-2.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (lose_a_shard, "1 of its 2 shards is missing, such as 2/2"),
        (lose_a_list, "shard 2/2 lacks 1 of 1 images, such as b.png"),
        (lose_a_mask, "shard 2/2 lacks 1 of 1 images, such as b.png"),
        (change_a_mask, "shard 2/2 lacks 1 of 1 images, such as b.png"),
        (change_a_model, "another model"),
        (double_an_image, "do not add up"),
        (add_an_image, "do not add up"),
        (corrupt_a_shard, "is no shard of predictions"),
        (put_a_file_in_the_way, "predictions.csv"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_missing_doubled_or_changed_is_refused(predicted, fault, cause):
    fault(predicted)
    before = sorted(path.name for path in predicted.iterdir())
    with pytest.raises(CenetError) as error:
        merge_shards(predicted)
    assert cause in error.value.cause
    assert sorted(path.name for path in predicted.iterdir()) == before


def test_a_folder_without_shards_is_refused(cenet, tmp_path, capsys):
    assert cenet("merge", tmp_path) == 1
    assert "holds no shards of predictions" in capsys.readouterr().err
    assert cenet("merge", tmp_path / "nowhere") == 1


def predict_a_damaged_image(run, images, folder):
    """Predict two shards, of which the second fails at an image; returns the options."""
    shutil.copytree(images / "images", folder / "images")
    (folder / "images" / "eye-1.png").write_bytes(b"")
    options = {"output": folder / "out", "device": "cpu"}
    write_predictions(run, folder / "images", shard=Shard(1, 2), **options)
    with pytest.raises(FailedImagesError):
        write_predictions(run, folder / "images", shard=Shard(2, 2), **options)
    return options


def test_images_that_cannot_be_predicted_are_listed_with_their_reason(run, images, tmp_path):
    predict_a_damaged_image(run, images, tmp_path)
    (remark,) = merge_shards(tmp_path / "out")
    assert remark.startswith("1 of 6 images could not be predicted")
    rows = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert rows[0].split(",")[-1] == "error"
    assert rows[2].startswith("eye-1.png,,,,,the file is empty")


def test_an_image_that_was_repaired_and_predicted_without_shard_is_no_failure(run, images, tmp_path):
    options = predict_a_damaged_image(run, images, tmp_path)
    shutil.copy(images / "images" / "eye-1.png", tmp_path / "images")
    write_predictions(run, tmp_path / "images", **options)
    assert merge_shards(tmp_path / "out") == []
    rows = (tmp_path / "out" / "predictions.csv").read_text().splitlines()
    assert rows[0] == "image,mask,overlay,image_sha256,engine"
    assert all(row.split(",")[1] for row in rows)


def predict_words(folder, count, run, **options):
    titles = ["a.png", "b.png", "c.png"]
    for number in range(1, count + 1):
        shard = Shard(number, count)
        output = OutputFolder(folder, verb="predict", part=shard.name, **options)
        own = shard.select(titles)
        files = {title: {"mask": f"{title[0]}_mask.png"} for title in own}
        declare_shard(output, shard, titles, files, {"run": run})
        for title in own:
            output.write_text(f"{title[0]}_mask.png", f"mask of {title} by {run}")
            row = json.dumps({"area_px": 2 if run == "newer" else 1})
            output.add_note({"image": title, "run": run, "image_sha256": "0", "engine": "torch", "row": row})


@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, 3), (2, 2)])
def test_shards_that_replace_those_of_another_division_are_merged(tmp_path, before, after):
    predict_words(tmp_path, before, "older")
    predict_words(tmp_path, after, "newer", overwrite=True)
    assert merge_shards(tmp_path) == []
    assert "a.png,a_mask.png,0,torch" in (tmp_path / "predictions.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in (tmp_path / "measurements.csv").read_text().splitlines()[1:]] == ["2"] * 3


def test_shards_of_another_division_are_refused_without_overwrite(tmp_path):
    predict_words(tmp_path, 3, "same")
    with pytest.raises(CenetError, match="another number of shards"):
        predict_words(tmp_path, 2, "same")
    assert merge_shards(tmp_path) == []
