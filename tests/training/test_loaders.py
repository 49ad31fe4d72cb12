"""From samples to batches: draws that a seed repeats, and loading."""

import pickle
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import cenet.training.loaders
from cenet.config.presets import load_recipe
from cenet.data.field_of_view import find_field_of_view, measure_diameter
from cenet.data.io.read import read_image
from cenet.data.labels.detect import LabelEncoding
from cenet.data.preprocessing import ResizePolicy
from cenet.data.sample import Sample
from cenet.data.views import augment_view
from cenet.training.loaders import EpochSampler, ImageDataset, TrainingDataset, ignore_broken_pipe, training_loader

STILL = {"rotate_deg": 0, "zoom": 0, "translate": 0, "flips": False, "brightness": 0, "channel_jitter": 0, "gamma": 0}
FREE = ResizePolicy(stride=1, min_size=1)
BINARY = LabelEncoding(kind="values", names=("vessel",), values=((0,), (255,)), ignore=(7,))


def recipe(**changes):
    return load_recipe("folder").replace(**{"crop_px": 32, "batch_size": 2, **changes})


def draw(folder, name, image, *, label=None, region=None):
    """Write a sample whose label is the brighter half of its first channel, unless there is another."""
    first = image if image.ndim == 2 else image[..., 0]
    drawn = {
        "": image,
        "_label": np.uint8(255) * (first > np.median(first)) if label is None else label,
        "_region": None if region is None else np.uint8(255) * region,
    }
    paths = {kind: folder / f"{name}{kind}.png" for kind, array in drawn.items() if array is not None}
    for kind, path in paths.items():
        Image.fromarray(drawn[kind]).save(path)
    return Sample(name, paths[""], (paths["_label"],), paths.get("_region"))


def noise(shape, dtype=np.uint8, *, seed=0, high=256):
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


@pytest.fixture
def samples(tmp_path):
    return [draw(tmp_path, f"eye{number}", noise((40, 50 + number, 3), seed=number)) for number in range(3)]


# --- training set ------------------------------------------------------------------------------------------

MOVING = {
    "rotate_deg": 30,
    "zoom": 0.2,
    "translate": 0.1,
    "flips": True,
    "brightness": 0.2,
    "channel_jitter": 0.2,
    "gamma": 0.2,
}


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("expand_d4", [True, False])
def test_an_item_depends_on_the_seed_and_its_number_alone(samples, expand_d4):
    moving = recipe(**MOVING, expand_d4=expand_d4)
    one, same, other = (TrainingDataset(samples, moving.replace(seed=seed), FREE, BINARY) for seed in (5, 5, 6))
    forwards = {draw: one[draw] for draw in range(6)}
    backwards = {draw: same[draw] for draw in (5, 0, 3, 3, 4, 2, 1)}
    assert all(equal(forwards[draw], backwards[draw]) for draw in range(6))
    assert not any(equal(forwards[draw], other[draw]) for draw in range(6))
    assert not any(equal(forwards[a], forwards[b]) for a in range(6) for b in range(a))


def test_another_seed_augments_the_same_image_in_another_way(samples):
    one, other = (TrainingDataset(samples[:1], recipe(**MOVING, seed=seed), FREE, BINARY) for seed in (5, 6))
    assert not any(equal(one[draw], other[draw]) for draw in range(3))


@pytest.mark.parametrize(
    "size", [{"crop_px": 32}, {"crop_px": 96}, {"crop_px": None, "resize_mode": "square", "size_px": 48}]
)
def test_items_have_one_shape_and_fixed_types(samples, size):
    geometry = ResizePolicy(resize_mode=recipe(**size).resize_mode, size_px=48, stride=16, min_size=32)
    dataset = TrainingDataset(samples, recipe(**MOVING, **size), geometry, BINARY)
    side = size["crop_px"] or 48
    for draw in range(4):
        item = dataset[draw]
        assert [(key, tuple(value.shape), value.dtype) for key, value in item.items()] == [
            ("image", (3, side, side), torch.float32),
            ("label", (side, side), torch.int64),
            ("region", (side, side), torch.bool),
            ("index", (), torch.int64),
        ]
        assert all(type(value) is torch.Tensor for value in item.values())
        assert set(item["label"].unique().tolist()) <= {0, 1}


def test_a_crop_is_a_part_of_its_image_with_its_own_label(samples):
    dataset = TrainingDataset(samples, recipe(**STILL), FREE, BINARY)
    wholes = [read_image(sample.image).astype(np.float32) for sample in samples]
    for draw in range(6):
        item = dataset[draw]
        image = item["image"].permute(1, 2, 0).numpy()
        parts = [np.lib.stride_tricks.sliding_window_view(w, (32, 32), (0, 1)).transpose(0, 1, 3, 4, 2) for w in wholes]
        (owner,) = [n for n, part in enumerate(parts) if np.abs(part - image).max((2, 3, 4)).min() < 0.01]
        assert np.array_equal(item["label"], image[..., 0].round() > np.median(wholes[owner][..., 0]))
        assert item["region"].all()
        assert item["index"] == owner


def test_what_lies_outside_a_small_image_belongs_to_no_region(tmp_path):
    sample = draw(tmp_path, "small", noise((20, 24, 3)) // 2 + 100)
    for draws in range(4):
        item = TrainingDataset([sample], recipe(**STILL, crop_px=64), FREE, BINARY)[draws]
        assert item["region"].sum() == 20 * 24
        assert (item["image"][:, item["region"]] > 99).all()
        assert (item["image"][:, ~item["region"]] == item["image"].min()).all()
        assert not item["label"][~item["region"]].any()


@pytest.mark.parametrize("outside", [True, False])
def test_a_samples_own_region_counts_unless_the_recipe_learns_outside(tmp_path, outside):
    image, region = noise((32, 32, 3)), np.hypot(*(np.indices((32, 32)) - 15.5)) < 12
    sample = draw(tmp_path, "a", image, region=region)
    item = TrainingDataset([sample], recipe(**STILL, loss_outside_fov=outside), FREE, BINARY)[0]
    assert np.array_equal(item["region"], region | outside)


@pytest.mark.parametrize("outside", [True, False])
def test_unannotated_pixels_never_count_even_outside_the_region(tmp_path, outside):
    rows, columns = np.indices((32, 32))
    region, drawn = np.hypot(rows - 15.5, columns - 15.5) < 12, columns > 14
    label = np.where(drawn, np.uint8(255) * (rows > 20), np.uint8(7))
    sample = draw(tmp_path, "a", noise((32, 32, 3)), label=label, region=region)
    item = TrainingDataset([sample], recipe(**STILL, loss_outside_fov=outside), FREE, BINARY)[0]
    assert np.array_equal(item["region"], drawn & (region | outside))
    assert np.array_equal(item["label"], drawn & (rows > 20))  # 255 would be no class


def test_unannotated_pixels_never_count_wherever_augmentation_moves_them(tmp_path):
    label = np.full((64, 64), 7, np.uint8)
    label[:, :30] = 255
    image = np.repeat((label != 7)[..., None] * np.uint8(200), 3, axis=2)
    dataset = TrainingDataset([draw(tmp_path, "a", image, label=label)], recipe(**MOVING), FREE, BINARY)
    for place in range(8):
        item = dataset[place]
        assert set(item["label"].unique().tolist()) <= {0, 1}
        assert (item["image"][:, item["region"]] > 50).all()  # within a pixel of the edge, what was drawn


@pytest.mark.parametrize("images", [0, 2, 3])
def test_images_are_kept_in_memory_while_it_lasts_and_are_the_same(samples, monkeypatch, images):
    bytes_of_one = (3 * 4 + 1 + 1) * 40 * 52
    monkeypatch.setattr("cenet.training.loaders.KEEP_BYTES", images * bytes_of_one)
    read, times = cenet.training.loaders.load_sample, Counter()
    monkeypatch.setattr(
        "cenet.training.loaders.load_sample", lambda sample, labels: times.update([sample]) or read(sample, labels)
    )
    dataset = TrainingDataset(samples, recipe(**MOVING), FREE, BINARY)
    items = [dataset[draw] for draw in range(9)]
    assert sorted(times.values()) == [1] * images + [3] * (3 - images)
    assert all(
        equal(item, TrainingDataset(samples, recipe(**MOVING), FREE, BINARY)[draw]) for draw, item in enumerate(items)
    )


def test_an_image_enters_as_it_does_in_evaluation(tmp_path):
    image = noise((30, 34), np.uint16, high=5000)
    geometry = ResizePolicy(scale=2.0, stride=32, min_size=64)
    item = TrainingDataset([draw(tmp_path, "a", image)], recipe(**STILL, crop_px=64), geometry, BINARY)[0]
    entered = geometry.for_image((30, 34)).forward(image)
    assert entered.shape == (64, 96)
    left = next(at for at in range(33) if np.allclose(item["image"][0], entered[:, at : at + 64], atol=0.1))
    label = geometry.for_image((30, 34)).forward_label(np.uint8(image > np.median(image)), ordinal=True)
    assert np.array_equal(item["label"], label[:, left : left + 64])


def test_a_region_of_interest_is_cut_around_the_label(tmp_path):
    label, image = np.zeros((120, 140), np.uint8), noise((120, 140, 3), high=50) + np.uint8(100)
    image[np.hypot(*(np.indices((120, 140)) - np.array([60, 70])[:, None, None])) > 55] = 2
    label[72:92, 28:48] = 255  # around row 82, column 38, far from the middle
    geometry = ResizePolicy(resize_mode="square", size_px=32, around=0.5, stride=1, min_size=1)
    whole = recipe(**STILL, crop_px=None, resize_mode="square", size_px=32, roi_fraction=0.5)
    item = TrainingDataset([draw(tmp_path, "a", image, label=label)], whole, geometry, BINARY)[0]
    rows, columns = np.nonzero(item["label"].numpy())
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((16, 16), abs=0.6)
    diameter = measure_diameter(find_field_of_view(image))
    assert rows.size == pytest.approx((20 * 32 / (0.5 * diameter)) ** 2, rel=0.1)


def test_an_epoch_of_eight_views_shows_every_view_of_every_image_once(tmp_path):
    images = [noise((32, 32), seed=seed) for seed in range(2)]
    samples = [draw(tmp_path, str(number), image) for number, image in enumerate(images)]
    whole = recipe(**STILL, crop_px=None, resize_mode="square", size_px=32, expand_d4=True)
    dataset = TrainingDataset(samples, whole, FREE, BINARY)
    assert dataset.round_length == 16
    expected = Counter(augment_view(image, n).astype(np.float32).tobytes() for image in images for n in range(8))
    assert len(expected) == 16
    shown = [dataset[draw] for draw in range(32)]
    seen = [item["image"][0].round().numpy().tobytes() for item in shown]
    assert Counter(seen[:16]) == Counter(seen[16:]) == expected
    assert seen[:16] != seen[16:]
    medians = [np.median(image) for image in images]
    assert all(any(np.array_equal(i["label"], i["image"][0].round() > m) for m in medians) for i in shown)


def test_without_eight_views_an_epoch_shows_every_image_once(tmp_path):
    samples = [draw(tmp_path, str(value), np.full((32, 32), value, np.uint8)) for value in range(10, 60, 10)]
    dataset = TrainingDataset(samples, recipe(**STILL), FREE, BINARY)
    seen = [int(dataset[draw]["image"].mean().round()) for draw in range(20)]
    assert dataset.round_length == 5
    assert all(sorted(seen[turn : turn + 5]) == [10, 20, 30, 40, 50] for turn in range(0, 20, 5))
    assert len({tuple(seen[turn : turn + 5]) for turn in range(0, 20, 5)}) > 1


def test_a_training_set_can_be_sent_to_another_process(samples):
    dataset = TrainingDataset(samples, recipe(**MOVING), FREE, BINARY)
    assert equal(pickle.loads(pickle.dumps(dataset))[1], dataset[1])


# --- loading -----------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(0, 9))
def test_an_epoch_continues_where_the_one_before_ended(per_epoch, epochs):
    draws = EpochSampler(per_epoch)
    assert len(draws) == per_epoch
    numbers = []
    for epoch in range(epochs):
        draws.set_epoch(epoch)
        numbers += draws
    assert numbers == list(range(per_epoch * epochs))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # on a machine of one core
def test_the_number_of_workers_changes_nothing(samples):
    dataset = TrainingDataset(samples, recipe(**MOVING, steps_per_epoch=3), FREE, BINARY)
    epochs = {}
    for workers in (0, 2):
        loader = training_loader(dataset, workers=workers)
        epochs[workers] = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)
            epochs[workers] += list(loader)
    assert len(epochs[0]) == len(epochs[2]) == 6
    assert all(equal(one, two) for one, two in zip(epochs[0], epochs[2], strict=True))
    flat = [{key: value[place] for key, value in batch.items()} for batch in epochs[0] for place in range(2)]
    assert all(equal(item, dataset[draw]) for draw, item in enumerate(flat))


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"batch_size": 1}, 3),
        ({"batch_size": 2}, 1),
        ({"batch_size": 8}, 1),
        ({"batch_size": 5, "expand_d4": True}, 4),
        ({"batch_size": 2, "steps_per_epoch": 7}, 7),
    ],
    ids=str,
)
def test_an_epoch_has_the_recipes_steps_or_as_many_full_batches_as_there_are(samples, changes, steps):
    loader = training_loader(TrainingDataset(samples, recipe(**changes), FREE, BINARY), workers=0)
    assert len(loader) == steps
    assert next(iter(loader))["image"].shape == (changes["batch_size"], 3, 32, 32)


def test_whole_images_come_as_they_lie_on_disk(tmp_path, samples):
    region = noise((40, 40), high=2).astype(bool)
    images = ImageDataset([*samples, draw(tmp_path, "last", noise((40, 40)), region=region)], BINARY)
    assert len(images) == len(list(images)) == 4
    image, label, everywhere = images[1]
    assert np.array_equal(image, read_image(samples[1].image))
    assert np.array_equal(label, image[..., 0] > np.median(image[..., 0]))
    assert everywhere.shape == label.shape == (40, 51)
    assert everywhere.all()
    assert np.array_equal(images[3][2], region)


def test_the_region_of_a_whole_image_leaves_out_unannotated_pixels(tmp_path):
    label = np.uint8([[0, 7, 255, 7], [255, 0, 7, 0]])
    region = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], bool)
    both = [
        draw(tmp_path, str(n), noise((2, 4)), label=label, region=inside) for n, inside in enumerate((None, region))
    ]
    (_, classes, everywhere), (_, _, inside) = ImageDataset(both, BINARY)
    assert classes.tolist() == [[0, 255, 1, 255], [1, 0, 255, 0]]
    assert np.array_equal(everywhere, label != 7)
    assert np.array_equal(inside, region & (label != 7))


def test_a_loading_process_reports_everything_but_that_its_trainer_has_ended(monkeypatch):
    kinds = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, *_: kinds.append(kind))
    ignore_broken_pipe(0)
    for error in (ConnectionResetError, EOFError, ValueError):
        sys.excepthook(error, error(), None)
    assert kinds == [ValueError]


@pytest.mark.parametrize("changes", [{"nested": True}, {"ordered": True}, {}], ids=str)
def test_nested_and_ordered_labels_are_reduced_in_order_and_others_by_share(tmp_path, changes):
    label = noise((64, 64), high=3)
    sample = draw(tmp_path, "a", noise((64, 64, 3)), label=label)
    geometry, nested = ResizePolicy(scale=0.5, stride=1, min_size=1), "nested" in changes
    labels = LabelEncoding(kind="values", names=("one", "two"), values=((0,), (1,), (2,)), nested=nested)
    item = TrainingDataset([sample], recipe(**STILL, num_classes=3, **changes), geometry, labels)[0]
    place = geometry.for_image((64, 64))
    in_order, by_share = (place.forward_label(label, ordinal=ordinal) for ordinal in (True, False))
    assert (in_order != by_share).any()
    assert np.array_equal(np.asarray(item["label"]).squeeze(), in_order if changes else by_share)
