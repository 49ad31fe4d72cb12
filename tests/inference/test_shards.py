"""Shards of a folder are disjoint, complete and alike; each writes beside the others what one process would."""

import pytest

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.inference.predict import write_predictions
from cenet.inference.shards import Shard, declare_shard, read_shards


@pytest.mark.parametrize("count", [1, 3, 8])
def test_shards_are_disjoint_and_complete(count):
    parts = [Shard(number, count).select(range(7)) for number in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == list(range(7))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/8", "9/8", "a/b", "3", "-1/8", "1/0", "1/8/2", "1/999999"])
def test_what_is_no_shard_is_refused_before_anything_is_read(cenet, run, images, tmp_path, text, capsys):
    with pytest.raises(CenetError) as error:
        Shard.parse(text)
    assert error.value.subject == f"--shard {text}"
    assert cenet("predict", run, images / "images", "--output", tmp_path / "out", f"--shard={text}") == 1
    assert capsys.readouterr().err.startswith(f"cenet: --shard {text}: ")
    assert not (tmp_path / "out").exists()


def test_shards_write_together_what_one_process_writes(cenet, run, images, tmp_path):
    def predict(name, *options):
        arguments = (run, images / "images", "--output", tmp_path / name, "--measure", "--device", "cpu", *options)
        assert cenet("predict", *arguments) == 0

    predict("one")
    for number in (2, 3, 1):
        predict("shards", "--shard", f"{number}/3")
    assert not (tmp_path / "shards" / "measurements.csv").exists()
    assert cenet("merge", tmp_path / "shards") == 0
    one, shards = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if not path.name.startswith(".")}
        for name in ("one", "shards")
    )
    listed = shards.pop("predictions.csv").decode().splitlines()
    assert one == shards
    assert [line.split(",")[0] for line in listed] == ["image", *(f"eye-{number}.png" for number in range(6))]
    predict("shards")  # of which nothing is left to do
    assert (tmp_path / "shards" / "measurements.csv").read_bytes() == one["measurements.csv"]


def test_a_shard_given_again_skips_what_is_finished(run, images, tmp_path):
    folder, options = images / "images", {"output": tmp_path, "device": "cpu", "shard": Shard(2, 4)}
    write_predictions(run, folder, **options)
    (tmp_path / "eye-5_mask.png").unlink()
    assert write_predictions(run, folder, **options) == ["1 of 2 images were predicted before and are skipped"]
    assert (tmp_path / "eye-5_mask.png").exists()


def test_more_shards_than_images_leave_some_without_work(run, images, tmp_path):
    assert write_predictions(run, images / "images", output=tmp_path, device="cpu", shard=Shard(7, 7)) == []
    (shard,) = read_shards(tmp_path)
    assert (str(shard), shard.files) == ("7/7", {})


@pytest.mark.parametrize(
    ("difference", "cause"),
    [
        ({"shard": Shard(2, 4)}, "another number of shards"),
        ({"titles": ["a.png", "b.png", "c.png", "d.png"]}, "another list of images"),
        ({"settings": {"run": "other", "tta": False}}, "another model"),
        ({"settings": {"run": "this", "tta": True}}, "another --tta"),
    ],
    ids=str,
)
def test_a_shard_that_differs_from_the_others_is_refused(tmp_path, difference, cause):
    alike = {"titles": ["a.png", "b.png", "c.png"], "settings": {"run": "this", "tta": False}, "files": {}}
    output = OutputFolder(tmp_path, verb="predict", part="any")
    declare_shard(output, Shard(1, 3), **alike)
    declare_shard(output, Shard(2, 3), **alike)
    with pytest.raises(CenetError) as error:
        declare_shard(output, difference.pop("shard", Shard(3, 3)), **{**alike, **difference})
    assert cause in error.value.cause
    assert [str(shard) for shard in read_shards(tmp_path)] == ["1/3", "2/3"]


def test_shards_do_not_mix_with_predictions_of_one_process(run, images, tmp_path):
    write_predictions(run, images / "images" / "eye-0.png", output=tmp_path, device="cpu")
    with pytest.raises(CenetError, match="without --shard"):
        write_predictions(run, images / "images", output=tmp_path, device="cpu", shard=Shard(1, 2))


def test_the_name_of_one_mask_is_no_place_for_a_shard(run, images, tmp_path):
    with pytest.raises(CenetError, match="shards write many"):
        write_predictions(run, images / "images" / "eye-0.png", output=tmp_path / "mask.png", shard=Shard(1, 2))
