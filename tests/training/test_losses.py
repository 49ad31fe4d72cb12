"""The losses, against the paper's formula in numpy and scikit-learn's log loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import log_loss

from cenet.config.presets import load_recipe
from cenet.training.losses import SegmentationLoss

LOSSES = ("dice", "cross-entropy", "dice+cross-entropy")
some_loss, some_classes, some_seed = st.sampled_from(LOSSES), st.sampled_from([1, 2, 4]), st.integers(0, 2**32)


def loss_of(name, num_classes, **changes):
    return SegmentationLoss(load_recipe("folder").replace(loss=name, num_classes=num_classes, **changes))


def drawn(seed, num_classes, shape=(3, 9, 7)):
    """Logits, label and a region that holds about two thirds of the pixels."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (shape[0], num_classes, *shape[1:])).astype(np.float32)
    label = rng.integers(0, max(num_classes, 2), shape)
    return torch.from_numpy(logits), torch.from_numpy(label), torch.from_numpy(rng.random(shape) < 0.67)


def by_formula(name, logits, label, region):
    """In numpy, from the pixels inside alone."""
    inside = region.numpy()
    scores = np.moveaxis(logits.double().numpy(), 1, 0)[:, inside]  # (K, pixels)
    truth = label.numpy()[inside]
    if len(scores) == 1:
        probabilities, targets = special.expit(scores), truth[None]
        cross_entropy = log_loss(truth, probabilities[0], labels=[0, 1])
    else:
        probabilities, targets = special.softmax(scores, axis=0), np.arange(len(scores))[:, None] == truth
        cross_entropy = log_loss(truth, probabilities.T, labels=range(len(scores)))
    dices = [1 - 2 * (p * g).sum() / ((p**2).sum() + (g**2).sum()) for p, g in zip(probabilities, targets, strict=True)]
    return {
        "dice": np.mean(dices),
        "cross-entropy": cross_entropy,
        "dice+cross-entropy": np.mean(dices) + cross_entropy,
    }[name]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_classes", [1, 2, 5])
def test_the_loss_is_what_the_formula_says(name, num_classes):
    logits, label, region = drawn(0, num_classes, (4, 20, 30))
    loss = loss_of(name, num_classes)(logits, label, region)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(by_formula(name, logits, label, region), rel=1e-4)


def test_dice_is_of_the_batch_and_not_a_mean_over_its_images():
    logits, label, region = drawn(1, 1, (2, 16, 16))
    label[1] = 0  # an image of its own with no foreground would have a Dice of nearly zero
    loss = loss_of("dice", 1)
    alone = [loss(logits[i : i + 1], label[i : i + 1], region[i : i + 1]).item() for i in range(2)]
    together = loss(logits, label, region).item()
    assert together == pytest.approx(by_formula("dice", logits, label, region), rel=1e-4)
    assert abs(together - np.mean(alone)) > 0.01


@given(some_loss, some_classes, some_seed, some_seed)
def test_pixels_outside_the_region_change_nothing(name, num_classes, seed, other):
    loss = loss_of(name, num_classes)
    logits, label, region = drawn(seed, num_classes)
    elsewhere, another_label, _ = drawn(other, num_classes)
    results = []
    for outside, label_outside in ((logits, label), (10 * elsewhere, another_label)):
        joined = torch.where(region[:, None], logits, outside).requires_grad_()
        value = loss(joined, torch.where(region, label, label_outside), region)
        value.backward()
        results.append((value.detach(), joined.grad))
    (one, gradient), (two, same_gradient) = results
    assert torch.equal(one, two)
    assert torch.equal(gradient, same_gradient)
    outside = ~region[:, None].expand_as(gradient)
    assert not gradient[outside].any()
    assert gradient[~outside].any()


@settings(max_examples=20)
@given(some_loss, some_classes, some_seed)
def test_a_step_against_the_gradient_lowers_the_loss(name, num_classes, seed):
    loss = loss_of(name, num_classes)
    logits, label, region = drawn(seed, num_classes)
    logits.requires_grad_()
    before = loss(logits, label, region)
    before.backward()
    step = 1e-2 * logits.grad / logits.grad.norm()
    assert loss(logits.detach() - step, label, region) < before


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_classes", [1, 3])
@pytest.mark.parametrize("region", [True, False], ids=["everywhere", "nowhere"])
@pytest.mark.parametrize("logit", [-60.0, 0.0, 60.0])
def test_an_empty_label_has_a_finite_loss_and_gradient(name, num_classes, region, logit):
    logits = torch.full((2, num_classes, 6, 6), logit, requires_grad=True)
    label, inside = torch.zeros(2, 6, 6, dtype=torch.int64), torch.full((2, 6, 6), region)
    value = loss_of(name, num_classes)(logits, label, inside)
    value.backward()
    assert torch.isfinite(value)
    assert value >= -1e-6
    assert torch.isfinite(logits.grad).all()


def test_where_no_pixel_counts_there_is_nothing_to_lose():
    logits, label, _ = drawn(2, 1)
    assert loss_of("dice+cross-entropy", 1)(logits, label, torch.zeros_like(label, dtype=torch.bool)).item() == 0


def test_an_empty_map_of_an_empty_label_is_perfect():
    logits, label = torch.full((1, 1, 6, 6), -80.0), torch.zeros(1, 6, 6, dtype=torch.int64)
    for name in LOSSES:
        assert loss_of(name, 1)(logits, label, label == 0).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_classes", [1, 3])
def test_the_truth_itself_loses_nothing_and_its_opposite_all(name, num_classes):
    _, label, region = drawn(3, num_classes)
    classes = [1] if num_classes == 1 else range(num_classes)
    right = torch.stack([torch.where(label == k, 40.0, -40.0) for k in classes], dim=1)
    loss = loss_of(name, num_classes)
    assert loss(right, label, region).item() == pytest.approx(0, abs=1e-4)
    wrong = loss(-right if num_classes == 1 else right.roll(1, dims=1), label, region).item()
    assert wrong == pytest.approx(1, abs=1e-3) if name == "dice" else wrong > 30


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_classes", [1, 3])
def test_bfloat16_logits_are_accepted_and_summed_in_float32(name, num_classes):
    logits, label, region = drawn(4, num_classes, (2, 64, 64))
    rounded = logits.bfloat16().requires_grad_()
    loss = loss_of(name, num_classes)
    value = loss(rounded, label, region)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss(rounded.float(), label, region))
    value.backward()
    assert rounded.grad.dtype == torch.bfloat16
    assert rounded.grad.any()


# --- nested regions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("maps", [2, 4])
def test_nested_regions_are_learnt_each_as_one_foreground(name, maps):
    logits, _, region = drawn(5, maps)
    label = torch.from_numpy(np.random.default_rng(5).integers(0, maps + 1, region.shape))
    loss = loss_of(name, maps + 1, nested=True)(logits, label, region)
    costs = [by_formula(name, logits[:, k : k + 1], (label > k).long(), region) for k in range(maps)]
    assert loss.item() == pytest.approx(np.mean(costs), rel=1e-4)


def test_nested_cross_entropy_is_that_of_a_loop_over_pixels():
    logits, _, region = drawn(6, 2, (1, 5, 6))
    label = torch.from_numpy(np.random.default_rng(6).integers(0, 3, region.shape))
    losses = []
    for row, column in zip(*np.nonzero(region[0].numpy()), strict=True):
        for index in (0, 1):
            p = 1 / (1 + np.exp(-logits[0, index, row, column].item()))
            losses.append(-np.log(p if label[0, row, column] >= index + 1 else 1 - p))
    assert loss_of("cross-entropy", 3, nested=True)(logits, label, region).item() == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("name", LOSSES)
def test_nested_truth_itself_loses_nothing_though_the_inner_region_holds_the_outer_one(name):
    label = torch.tensor([[[0, 1, 2, 1, 0, 2]]])
    right = torch.stack([torch.where(label >= k, 40.0, -40.0) for k in (1, 2)], dim=1)
    exclusive = torch.stack([torch.where(label == k, 40.0, -40.0) for k in (1, 2)], dim=1)
    loss = loss_of(name, 3, nested=True)
    everywhere = torch.ones_like(label, dtype=torch.bool)
    assert loss(right, label, everywhere).item() == pytest.approx(0, abs=1e-4)
    assert loss(exclusive, label, everywhere).item() > 0.1


@settings(max_examples=20)
@given(some_loss, some_seed)
def test_nested_pixels_outside_the_region_change_nothing(name, seed):
    logits, label, region = drawn(seed, 2)
    loss = loss_of(name, 3, nested=True)
    elsewhere = torch.where(region[:, None], logits, -3 * logits)
    assert torch.equal(loss(logits, label, region), loss(elsewhere, torch.where(region, label, 2 - label), region))


# --- gaps in thin structures -------------------------------------------------------------------------------


def with_gaps(name="dice+cross-entropy", num_classes=1, gap_weight=1.0, **changes):
    return loss_of(name, num_classes, gap_weight=gap_weight, **changes)


def draw_membrane(width=5, side=32):
    """A label with one vertical membrane, and logits that agree with it."""
    label = torch.zeros(1, side, side, dtype=torch.int64)
    label[:, :, 12 : 12 + width] = 1
    return label, torch.where(label > 0, 3.0, -3.0)[:, None]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("num_classes", [1, 3])
def test_without_a_weight_gaps_change_nothing(name, num_classes):
    logits, label, region = drawn(7, num_classes, (2, 24, 20))
    assert torch.equal(
        with_gaps(name, num_classes, gap_weight=0)(logits, label, region),
        loss_of(name, num_classes)(logits, label, region),
    )


@pytest.mark.parametrize("num_classes", [1, 3])
def test_the_weight_scales_the_share_of_centre_lines_that_is_missed(num_classes):
    logits, label, region = drawn(8, num_classes, (2, 24, 20))
    without, once, twice = (with_gaps(num_classes=num_classes, gap_weight=w)(logits, label, region) for w in (0, 1, 2))
    assert 0 < (once - without).item() < 1
    assert (twice - without).item() == pytest.approx(2 * (once - without).item(), rel=1e-4)


def test_a_gap_costs_more_than_as_many_pixels_missed_along_the_edge():
    label, gap = draw_membrane()
    edge = gap.clone()
    gap[..., 16:18, 12:17] = -3.0  # 10 pixels across the membrane
    edge[..., 10:20, 12] = -3.0  # 10 pixels along it
    everywhere = torch.ones_like(label, dtype=torch.bool)
    added = [
        (with_gaps()(logits, label, everywhere) - loss_of("dice+cross-entropy", 1)(logits, label, everywhere)).item()
        for logits in (gap, edge, draw_membrane()[1])
    ]
    assert added[0] > added[1] + 0.03
    assert added[1] == pytest.approx(added[2], abs=1e-4)  # the edge is no part of the centre line


@pytest.mark.parametrize("width", [1, 3, 9])
def test_a_gap_of_a_length_costs_the_same_in_a_membrane_of_any_width(width):
    label, logits = draw_membrane(width)
    cut = torch.where((torch.arange(32) // 4 == 3)[:, None], -30.0, logits)
    everywhere = torch.ones_like(label, dtype=torch.bool)
    loss, plain = with_gaps(), loss_of("dice+cross-entropy", 1)
    costs = [(loss(scores, label, everywhere) - plain(scores, label, everywhere)).item() for scores in (cut, logits)]
    assert costs[0] - costs[1] == pytest.approx(4 / 32, abs=0.06)


def test_pixels_outside_the_region_have_no_centre_line():
    logits, label, region = drawn(9, 1, (2, 24, 20))
    loss = with_gaps()
    changed = torch.where(region[:, None], logits, -3 * logits)
    assert torch.equal(loss(logits, label, region), loss(changed, torch.where(region, label, 1 - label), region))


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("region", [True, False], ids=["everywhere", "nowhere"])
def test_a_label_without_foreground_has_no_gaps(nested, region):
    maps = 2 if nested else 3
    logits, label = torch.zeros(2, maps, 16, 16, requires_grad=True), torch.zeros(2, 16, 16, dtype=torch.int64)
    inside = torch.full((2, 16, 16), region)
    value = with_gaps(num_classes=3, nested=nested)(logits, label, inside)
    assert value.item() == pytest.approx(loss_of("dice+cross-entropy", 3, nested=nested)(logits, label, inside).item())
    value.backward()
    assert torch.isfinite(logits.grad).all()
