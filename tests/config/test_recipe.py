"""Recipes: typed, frozen, saved as JSON, changed from the command line; every wrong value is told by its field."""

import re

import pytest
from pydantic import ValidationError

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError


@pytest.fixture
def folder():
    return load_recipe("folder")


def test_a_recipe_is_frozen(folder):
    with pytest.raises(ValidationError, match="frozen"):
        folder.seed = 1


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("seed", "7", 7),
        ("learning_rate", "2e-3", 2e-3),
        ("use_stem_skip", "false", False),
        ("rmp", "no", False),
        ("crop_px", "64", 64),
        ("dac", "none", None),
        ("patience", "none", None),
        ("steps_per_epoch", "none", None),
        ("encoder_weights", "weights.pth", "weights.pth"),
    ],
)
def test_a_value_may_be_the_text_of_a_command_line(folder, field, text, value):
    read = getattr(folder.replace(**{field: text}), field)
    assert read == value
    assert type(read) is type(value)


def test_weights_called_none_stay_a_word(folder):
    assert folder.replace(encoder_weights="none").encoder_weights == "none"


def test_replacing_leaves_the_rest_and_the_original_alone(folder):
    changed = folder.replace(seed=5, epochs=2)
    assert folder == load_recipe("folder")
    assert {k for k, v in changed.model_dump().items() if v != getattr(folder, k)} == {"seed", "epochs"}


def test_every_misspelt_field_is_answered_with_the_right_one(folder):
    for field in Recipe.model_fields:
        misspelt = field[:-1]
        with pytest.raises(CenetError, match=rf"^recipe folder: there is no field {misspelt}; did you mean {field}\?$"):
            folder.replace(**{misspelt: 1})


def test_a_field_like_no_other_is_answered_without_a_guess(folder):
    with pytest.raises(CenetError, match=r"^recipe folder: there is no field xyzzy; see `cenet train --help`$"):
        folder.replace(xyzzy=1)


WRONG = [
    *[("num_classes", value) for value in (0, 256, 1.5, "many", None)],
    *[("nested", value) for value in ("perhaps", 2, None)],
    *[("seed", value) for value in (-1, 2**70, "now")],
    *[("network", value) for value in ("", None)],
    *[("encoder", value) for value in ("resnet50", "none")],
    *[("dac", value) for value in ("atrouss", True)],
    *[("rmp", value) for value in ("maybe", 2)],
    *[("input_normalisation", value) for value in ("bgr", None)],
    *[("task", value) for value in ("",)],
    *[("resize_mode", value) for value in ("squash", None)],
    *[("scale", value) for value in (0, -1, 9, "nan", "inf")],
    *[("size_px", value) for value in (0, 31, 5000, 448.5)],
    *[("tile_px", value) for value in (0, 191)],
    *[("epochs", value) for value in (0, -1, "none", 1.5)],
    *[("steps_per_epoch", value) for value in (0, "all")],
    *[("batch_size", value) for value in (0, None)],
    *[("crop_px", value) for value in (0, 31, "big")],
    *[("loss", value) for value in ("focal", "")],
    *[("optimiser", value) for value in ("adam", None)],
    *[("learning_rate", value) for value in (0, -1e-3, 11, "nan", "inf", "fast")],
    *[("encoder_learning_rate_factor", value) for value in (0, 11)],
    *[("weight_decay", value) for value in (-1, "nan")],
    *[("schedule", value) for value in ("cosine",)],
    *[("patience", value) for value in (0, -1)],
    *[("validate_every", value) for value in (0,)],
    *[("rotate_deg", value) for value in (-1, 181)],
    *[
        (field, value)
        for field in ("zoom", "translate", "brightness", "channel_jitter", "gamma")
        for value in (-0.1, 1, "nan")
    ],
    *[("test_fraction", value) for value in (-0.1, 1)],
    *[("validation_fraction", value) for value in (-0.1, 1)],
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_value_out_of_range_is_reported_with_its_field(folder, field, value):
    with pytest.raises(CenetError) as error:
        folder.replace(**{field: value})
    message = str(error.value)
    assert message.startswith(f"recipe folder: {field} = {value!r} is not allowed: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "unet"}, "add --encoder-weights none"),
        ({"encoder": "resnet34"}, "the bundled weights belong to --encoder resnet34-preact, not resnet34"),
        ({"encoder": "resnet18"}, "not resnet18"),
        ({"encoder_weights": "imagenet"}, "use --encoder-weights bundled with resnet34-preact"),
        ({"encoder": "efficientnet-lite0"}, "add --network cenet-lite"),
        ({"network": "cenet-lite", "encoder": "resnet18"}, "add --encoder efficientnet-lite0"),
        ({"crop_px": None}, "set --resize-mode square, or a --crop-px"),
        ({"crop_px": 100}, "crop_px 100 is no multiple of 32; use 96"),
        ({"crop_px": 33}, "use 32"),
        ({"nested": True}, "nested regions are two or more, but num_classes is 1; add --num-classes"),
        ({"nested": True, "num_classes": 2}, "but num_classes is 2"),
        ({"ordered": True, "num_classes": 2}, "set --num-classes"),
        ({"ordered": True, "num_classes": 4, "nested": True}, "exclude each other"),
        ({"threshold_metric": "v_rand", "num_classes": 3}, "use --threshold-metric dice"),
        ({"roi_fraction": 0.4}, "set --resize-mode square"),
        ({"roi_fraction": 0.4, "resize_mode": "square", "num_classes": 3}, "one class or of nested ones"),
        ({"horizontal_flip_only": True, "expand_d4": True, "resize_mode": "square"}, "set --expand-d4 false"),
        ({"freeze_input_norm": True, "encoder": "resnet18", "encoder_weights": "none"}, "unfreeze it"),
        ({"validation_fraction": 0}, "add --selection average (or last) and --patience none"),
        ({"validation_fraction": 0, "selection": "last", "patience": 3}, "--patience none"),
        ({"validate_every": 51}, "validate_every 51 is more than the epochs, 50; lower it"),
    ],
)
def test_values_that_do_not_go_together_are_refused_with_a_way_out(folder, changes, words):
    with pytest.raises(CenetError) as error:
        folder.replace(**changes)
    assert str(error.value).startswith("recipe folder: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "unet", "encoder_weights": "none"},
        {"encoder": "resnet18", "encoder_weights": "imagenet"},
        {"network": "cenet-lite"},
        {"encoder": "resnet34", "encoder_weights": "none"},
        {"encoder": "resnet34", "encoder_weights": "mine.safetensors"},
        {"crop_px": None, "resize_mode": "square"},
        {"nested": True, "num_classes": 3},
        {"validate_every": 50},
        {"ordered": True, "num_classes": 3},
        {"threshold_metric": "v_rand"},
        {"roi_fraction": 0.4, "resize_mode": "square", "crop_px": None, "nested": True, "num_classes": 3},
    ],
)
def test_values_that_go_together_are_accepted(folder, changes):
    assert folder.replace(**changes).model_dump().items() >= changes.items()


@pytest.mark.parametrize(
    ("num_classes", "nested", "maps", "sigmoid"),
    [(1, False, 1, True), (2, False, 2, False), (5, False, 5, False), (3, True, 2, True), (5, True, 4, True)],
)
def test_every_foreground_of_its_own_is_a_sigmoid_map_and_exclusive_classes_share_a_softmax(
    folder, num_classes, nested, maps, sigmoid
):
    recipe = folder.replace(num_classes=num_classes, nested=nested)
    assert (recipe.maps, recipe.sigmoid) == (maps, sigmoid)


def test_the_localiser_is_the_same_network_on_the_whole_photograph(folder):
    recipe = folder.replace(
        roi_fraction=0.4, resize_mode="square", crop_px=None, localiser_size_px=128, localiser_epochs=7
    )
    localiser = recipe.localiser
    assert recipe.replace(crop_px=96, size_px=256).localiser.crop_px is None
    assert (localiser.roi_fraction, localiser.resize_mode, localiser.size_px, localiser.epochs) == (
        None,
        "square",
        128,
        7,
    )
    assert localiser.validate_every <= 7
    assert (localiser.network, localiser.encoder, localiser.seed) == (recipe.network, recipe.encoder, recipe.seed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 1001),
        ("title", "x" * 1001),
        ("task", "x" * 1001),
        ("network", "x" * 1001),
        ("encoder_weights", "x" * 10_001),
        ("unverified", ["seed"] * 101),
        ("unverified", ["x" * 1001]),
        ("crop_px", 4128),
        ("tile_px", 16_385),
        ("patience", 10**6 + 1),
        ("clip_gradients", 1e7),
    ],
)
def test_no_value_is_large_enough_to_take_the_machine_down(field, value):
    with pytest.raises(CenetError) as refusal:
        Recipe(name="mine").replace(**{field: value})
    assert refusal.value.cause.startswith(field)
    assert len(str(refusal.value)) < 700


def test_a_recipe_clips_between_two_values_in_their_order():
    assert Recipe(name="ct", clip_low=-1024, clip_high=600).clip == (-1024, 600)
    with pytest.raises(CenetError) as error:
        load_recipe("lung").replace(clip_low=600, clip_high=-1024)
    assert error.value.remedy == "swap them"


def test_every_layout_that_is_accepted_is_named_where_the_task_is_chosen():
    words = re.findall("[a-z-]+", Recipe.model_fields["task"].description)
    assert set(TASKS) <= set(words)
