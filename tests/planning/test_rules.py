"""A measured value decides a field: change the one and the other follows."""

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cenet.errors import CenetError
from cenet.planning.fingerprint import DataFingerprint, Symmetry
from cenet.planning.machine import Machine
from cenet.planning.rules import plan_recipe

EYES = DataFingerprint(20, 20, 584, 565, (584, 584), 3, ("vessel",), (0.1,), (2.0,))
CPU = Machine()
BFLOAT16, GPU = Machine(precision="bf16-mixed"), Machine("cuda", "bf16-mixed", 8, 40)
ALIKE = Symmetry(upright=0.8, mirrored=0.78, upside_down=0.8, prefer_upright=0.5)

MEASURED = [  # what is measured, and the values that follow
    ({}, {"scale": 2.0, "resize_mode": "native", "crop_px": 448, "batch_size": 4}),
    ({"widths_px": (10.0,)}, {"scale": 1.0}),
    ({"widths_px": (192.0,)}, {"scale": 0.33, "crop_px": 224}),
    ({"widths_px": (math.nan,)}, {"scale": 1.0}),
    ({"height_px": 60, "width_px": 50, "longest_px": (60, 60)}, {"scale": 3.2, "crop_px": 192, "batch_size": 22}),
    ({"height_px": 6000, "width_px": 8000, "longest_px": (8000, 8000)}, {"scale": 1.0}),
    ({"longest_px": (400, 900), "width_spread": 0.4, "relative_width_spread": 0.1}, {"resize_mode": "longest"}),
    ({"longest_px": (400, 900), "width_spread": 0.2, "relative_width_spread": 0.4}, {"resize_mode": "native"}),
    ({"longest_px": (400, 900), "fundus": True}, {"resize_mode": "field-of-view"}),
    ({"images": 20}, {"selection": "average"}),
    ({"images": 200}, {"selection": "best"}),
    ({"symmetry": None}, {"flips": True, "horizontal_flip_only": False, "rotate_deg": 180}),
    ({"symmetry": ALIKE}, {"flips": True, "horizontal_flip_only": False, "rotate_deg": 180}),
    (
        {"symmetry": replace(ALIKE, upside_down=0.6, prefer_upright=0.95)},
        {"flips": True, "horizontal_flip_only": True, "rotate_deg": 15},
    ),
    ({"symmetry": replace(ALIKE, mirrored=0.2)}, {"flips": False, "validate_tta": False, "rotate_deg": 15}),
    ({"width_spread": 0.5}, {"zoom": 0.3}),
    ({"width_spread": 0.1}, {"zoom": 0.2}),
    ({"channels": 1}, {"channel_jitter": 0}),
    ({"colour_spread": 0.1}, {"channel_jitter": 0.3, "precise_norm_batches": 8}),
    ({"colour_spread": 0.01}, {"channel_jitter": 0.1, "precise_norm_batches": None}),
    ({"dtype": "float32", "value_range": (-1000, 800)}, {"gamma": 0.1}),
    ({"dtype": "uint16", "value_range": (0, 4000)}, {"gamma": 0.3}),
    ({"classes": ("a", "b"), "class_shares": (0.1, 0.2), "widths_px": (9.0, 90.0)}, {"num_classes": 3, "scale": 1.0}),
]


@pytest.mark.parametrize(("measured", "chosen"), MEASURED, ids=[str(number) for number in range(len(MEASURED))])
def test_what_is_measured_decides(measured, chosen):
    recipe = plan_recipe(replace(EYES, **measured), CPU).recipe
    assert {name: getattr(recipe, name) for name in chosen} == pytest.approx(chosen)


@pytest.mark.parametrize(
    ("machine", "minutes", "chosen"),
    [
        (CPU, None, {"network": "cenet-lite", "encoder": "efficientnet-lite0", "learning_rate": 3e-3}),
        (BFLOAT16, None, {"network": "cenet-lite"}),
        (BFLOAT16, 5, {"network": "cenet-lite"}),
        (BFLOAT16, 300, {"network": "cenet", "encoder": "resnet34-preact", "learning_rate": 1e-3}),
        (CPU, 300, {"network": "cenet-lite"}),
        (GPU, None, {"network": "cenet", "batch_size": 8}),
        (replace(GPU, memory_gib=8), None, {"network": "cenet", "batch_size": 4}),
        (replace(CPU, memory_gib=4), None, {"batch_size": 2}),
    ],
)
def test_the_machine_and_the_minutes_decide(machine, minutes, chosen):
    recipe = plan_recipe(EYES, machine, minutes=minutes).recipe
    assert {name: getattr(recipe, name) for name in chosen} == chosen


def test_large_images_of_thin_objects_become_smaller_where_time_is_short():
    large = replace(EYES, height_px=2336, width_px=3504, longest_px=(3504, 3504), widths_px=(7.0,))
    scales = [plan_recipe(large, CPU, minutes=minutes).recipe.scale for minutes in (2, 20, 2000)]
    assert scales == sorted(scales)
    assert 2 / 7 <= scales[0] < 0.5 < scales[2] == 1


def test_more_minutes_are_more_steps_and_too_few_are_reported_with_what_would_do():
    plans = [plan_recipe(replace(EYES, images=100), CPU, minutes=minutes) for minutes in (2, 60)]
    steps = [plan.recipe.epochs * plan.recipe.steps_per_epoch for plan in plans]
    assert 20 * steps[0] < steps[1]
    assert "minutes would do" in plans[0].warnings[0]
    assert plans[1].warnings == ()


@pytest.mark.parametrize("images", range(10, 100, 15))
@pytest.mark.parametrize("minutes", [0.5, 1, 2.5])
def test_the_time_that_would_do_is_longer_than_the_one_given(images, minutes):
    for warning in plan_recipe(replace(EYES, images=images), CPU, minutes=minutes).warnings:
        needed = re.search(r"about (a minute|\S+)", warning)
        assert needed is not None
        assert (1 if needed[1] == "a minute" else float(needed[1])) > minutes


def test_a_requested_value_counts_and_the_others_follow_it():
    plan = plan_recipe(EYES, CPU, requested={"network": "cenet", "crop_px": "256", "flips": "false"})
    assert (plan.recipe.network, plan.recipe.crop_px, plan.recipe.flips) == ("cenet", 256, False)
    assert (plan.recipe.learning_rate, plan.recipe.batch_size) == (1e-3, 12)
    assert plan.reason("crop_px") == "as requested"
    assert plan_recipe(EYES, CPU, requested={"encoder": "resnet34-preact"}).recipe.network == "cenet"


def test_every_choice_is_in_the_recipe():
    plan = plan_recipe(EYES, BFLOAT16)
    for choice in plan.choices:
        value = getattr(plan.recipe, choice.field)
        assert choice.value == (str(value).lower() if isinstance(value, bool) else str(value))
        assert choice.reason


def test_what_stands_in_the_way_is_a_warning():
    troubled = replace(EYES, images=3, groups=2, empty_images=2, class_shares=(0.0,))
    assert len(plan_recipe(troubled, CPU).warnings) == 3


def test_reasons_write_numbers_out():
    few = plan_recipe(replace(EYES, images=8, height_px=64, width_px=64, longest_px=(64, 64)), BFLOAT16)
    assert re.search(r"is drawn \d,\d{3} times, about \d+ minutes here", few.reason("epochs"))
    minutes = int(re.search(r"--minutes (\d+) would allow", few.reason("network"))[1])
    networks = [plan_recipe(EYES, BFLOAT16, minutes=given).recipe.network for given in (minutes - 1, minutes)]
    assert networks == ["cenet-lite", "cenet"]
    assert not any("e+" in choice.reason for choice in few.choices)


@pytest.mark.parametrize(("width", "at_most"), [(1.0, True), (2.0, False), (3.0, False)])
def test_an_enlargement_says_whether_it_is_the_most_that_is_done(width, at_most):
    assert ("the most that is done" in plan_recipe(replace(EYES, widths_px=(width,)), CPU).reason("scale")) == at_most


def test_few_groups_are_counted_with_those_that_are_held_out():
    few = replace(EYES, images=4, groups=4)
    (warning,) = plan_recipe(few, CPU).warnings
    assert "none is held out" in warning
    assert plan_recipe(replace(few, test_images=1, test_groups=1), CPU).warnings == ()
    (warning,) = plan_recipe(replace(few, groups=3, test_images=1, test_groups=1), CPU).warnings
    assert warning.startswith("4 groups")
    assert "held out" not in warning


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf])
def test_minutes_that_are_no_time_are_refused(minutes):
    with pytest.raises(CenetError) as error:
        plan_recipe(EYES, CPU, minutes=minutes)
    assert error.value.subject.startswith("--minutes")


sides = st.integers(8, 20_000)
widths = st.one_of(st.floats(1, 5000), st.just(math.nan))


@given(
    images=st.integers(1, 100_000),
    sides=st.tuples(sides, sides),
    widths=st.lists(widths, min_size=1, max_size=20),
    spread=st.floats(0, 3),
    relative=st.floats(0, 3),
    minutes=st.one_of(st.none(), st.floats(0.01, 1e5)),
    machine=st.sampled_from([CPU, BFLOAT16, GPU]),
)
def test_any_data_set_gets_a_possible_recipe(images, sides, widths, spread, relative, minutes, machine):
    data = DataFingerprint(
        images=images,
        groups=images,
        height_px=sides[0],
        width_px=sides[1],
        longest_px=(min(sides), max(sides)),
        channels=1,
        classes=tuple(f"class {k}" for k in range(len(widths))),
        class_shares=(0.01,) * len(widths),
        widths_px=tuple(widths),
        width_spread=spread,
        relative_width_spread=relative,
    )
    recipe = plan_recipe(data, machine, minutes=minutes).recipe
    assert recipe.num_classes == (1 if len(widths) == 1 else len(widths) + 1)
    assert recipe.crop_px % 32 == 0
    assert recipe.batch_size * recipe.crop_px**2 < 2e6


@pytest.mark.parametrize("asked", [{"steps_per_epoch": "500"}, {"steps_per_epoch": "5"}, {"epochs": "1000"}, {}])
def test_what_is_said_of_the_steps_is_what_the_recipe_takes(asked):
    plan = plan_recipe(EYES, CPU, requested=asked)
    steps = plan.recipe.epochs * plan.recipe.steps_per_epoch
    assert 600 <= steps <= 1200  # a recipe of 800, as far as what was asked for allows it
    if "epochs" not in asked:
        assert f"in {steps:,} steps" in plan.reason("epochs")
    assert 1 <= plan.recipe.epochs // plan.recipe.validate_every <= 8


def test_a_network_without_a_pretrained_encoder_is_not_said_to_have_one():
    plan = plan_recipe(EYES, CPU, requested={"network": "unet", "encoder_weights": "none"})
    assert not any("encoder has learnt" in choice.reason for choice in plan.choices)


def test_large_numbers_are_written_out():
    sizes = {"height_px": 4000, "width_px": 4000, "longest_px": (4000, 4000)}
    whole = replace(EYES, class_shares=(0.999,), widths_px=(1500.0,), **sizes)
    plan = plan_recipe(whole, replace(CPU, memory_gib=1511.0))
    texts = [*whole.describe(), *(choice.reason for choice in plan.choices)]
    assert not any("e+" in text for text in texts)
    assert "1,500 px wide" in texts[1]
