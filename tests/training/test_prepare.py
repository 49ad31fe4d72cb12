"""One pass before training: each file is decoded once, and of the test part the images alone."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_network import TINY

import cenet.data.io.read
from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.inference.run import Run
from cenet.training import prepare
from cenet.training.prepare import list_samples, prepare_training_data, read_split_again
from cenet.training.train import train

RECIPE = load_recipe("folder").replace(
    network=TINY, encoder_weights="none", crop_px=32, batch_size=2, epochs=2, steps_per_epoch=3, test_fraction=0.34
)


@pytest.fixture
def decodings(monkeypatch):
    """Counts how often each file is decoded, by its folder and name."""
    counts, decode = Counter(), cenet.data.io.read.decode

    def counted(path, **options):
        counts[f"{path.parent.name}/{path.stem}"] += 1
        return decode(path, **options)

    monkeypatch.setattr("cenet.data.io.read.decode", counted)
    return counts


def files_of(split, folders, *parts):
    return {f"{folder}/{name}": 1 for part in parts for name in split.parts[part] for folder in folders}


def test_a_training_decodes_each_file_once_and_of_the_test_part_the_images_alone(images, tmp_path, decodings):
    run = train(RECIPE, images, output=tmp_path / "run", device="cpu")
    learnt = files_of(run.split, ("images", "masks", "regions"), "train", "validation")
    assert decodings == learnt | files_of(run.split, ("images",), "test")


def test_nothing_of_the_test_part_of_a_given_split_is_decoded(images, decodings):
    split = prepare_training_data(RECIPE, images, group_pattern=None, ignore_value=None, split=None).split
    decodings.clear()
    prepared = prepare_training_data(RECIPE, images, group_pattern=None, ignore_value=None, split=split)
    learnt = files_of(split, ("images", "masks", "regions"), "train", "validation")
    assert decodings == learnt
    decodings.clear()
    read_split_again(RECIPE, images, group_pattern=None, split=split, labels=prepared.labels)
    assert decodings == learnt


def test_no_label_of_a_test_folder_is_opened(images, tmp_path, decodings):
    for number, path in enumerate(sorted((images / "images").iterdir())):
        part = ("train", "val", "test")[number % 3]
        for folder in ("images", "masks"):
            target = tmp_path / part / folder / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(images / folder / path.name, target)
    for path in (tmp_path / "test" / "masks").iterdir():
        path.write_text("this is no mask")
    prepared = prepare_training_data(RECIPE, tmp_path, group_pattern=None, ignore_value=None, split=None)
    assert all(prepared.split.parts.values())
    assert decodings == files_of(prepared.split, ("images", "masks"), "train", "validation") | files_of(
        prepared.split, ("images",), "test"
    )


def test_what_does_not_fit_into_memory_is_decoded_again_and_changes_nothing(images, decodings, monkeypatch):
    arguments = {"group_pattern": None, "ignore_value": None, "split": None}
    kept = prepare_training_data(RECIPE, images, **arguments)
    once = decodings.copy()
    decodings.clear()
    monkeypatch.setattr(prepare, "KEEP_BYTES", 0)
    again = prepare_training_data(RECIPE, images, **arguments)
    assert (kept.split, kept.statistics, kept.labels) == (again.split, again.statistics, again.labels)
    repeated = {name: times for name, times in decodings.items() if times > once[name]}
    assert repeated == dict.fromkeys(files_of(kept.split, ("masks",), "train", "validation"), 2)


def test_the_field_of_view_of_a_photograph_is_searched_once(images, tmp_path, monkeypatch):
    from cenet.data import loading

    searched = []
    monkeypatch.setattr(
        loading,
        "find_field_of_view",
        lambda image, name: searched.append(Path(name).stem) or np.ones(image.shape[:2], bool),
    )
    data = tmp_path / "photographs"
    for part in ("images", "masks"):
        (data / part).mkdir(parents=True)
        for path in (images / part).iterdir():
            Image.open(path).save(data / part / path.name)
    recipe = RECIPE.replace(task="vessels")
    prepared = prepare_training_data(recipe, data, group_pattern=None, ignore_value=None, split=None)
    for sample in (*prepared.samples["train"], *prepared.samples["validation"]):
        prepared.cache.load(sample, prepared.labels)
    assert sorted(searched) == sorted((*prepared.split.parts["train"], *prepared.split.parts["validation"]))


def test_names_that_share_beginnings_are_noted_before_a_split(tmp_path, capsys):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for patient in ("ann", "bob", "eve"):
            for number in (1, 2):
                Image.new("L", (8, 8)).save(tmp_path / folder / f"{patient}_{number}.png")
    list_samples(RECIPE, tmp_path, None)
    assert '--group-pattern "^[^_]+" (3 groups)' in capsys.readouterr().err
    list_samples(RECIPE, tmp_path, "^[^_]+")
    assert capsys.readouterr().err == ""


class RightHalf:
    """A loss of one's own, which a run can name."""

    def __call__(self, logits, label, region):
        return (logits[..., 16:].mean() - label[..., 16:].float().mean()).abs()


def brighten(item):
    """An augmentation of one's own."""
    return {**item, "image": item["image"] + 10}


def test_a_run_is_trained_and_resumed_with_a_loss_and_an_augmentation_of_ones_own(images, tmp_path):
    import cenet

    own = {"loss": RightHalf(), "augmentation": brighten}
    run = cenet.train(RECIPE, images, output=tmp_path / "own", device="cpu", **own)
    assert (run.facts.custom_loss, run.facts.custom_augmentation) == ("RightHalf", "brighten")
    plain = cenet.train(RECIPE, images, output=tmp_path / "plain", device="cpu")
    assert plain.facts.weights_sha256 != run.facts.weights_sha256
    for missing in ({}, {"loss": RightHalf()}, {**own, "augmentation": RightHalf()}):
        with pytest.raises(CenetError) as error:
            cenet.resume(run.path, device="cpu", **missing)
        assert error.value.subject == str(run.path)
    with pytest.raises(CenetError):
        cenet.resume(plain.path, device="cpu", loss=RightHalf())
    assert cenet.resume(run.path, device="cpu", **own).facts == Run(run.path).facts
