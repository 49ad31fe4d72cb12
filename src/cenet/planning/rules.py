"""From the fingerprint of a data set and a machine to a recipe: one pure function, and the rules it goes through."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cenet.config.plan import Choice, Plan
from cenet.config.recipe import Recipe
from cenet.config.recipe_command import format_value
from cenet.errors import CenetError
from cenet.planning.fingerprint import DataFingerprint
from cenet.planning.machine import STEP_PX, Machine
from cenet.planning.size_rules import ImageSize, choose_size
from cenet.safe_text import format_count, format_digits, format_minutes

TRAINED_SHARE = 0.75  # of the minutes; the rest is for reading, validation and thresholds
CENET_STEPS = 1500  # from which the larger network pays on a CPU
CPU_STEPS, GPU_STEPS, MOST_STEPS = 800, 3000, 3000  # of STEP_PX pixels, where no time is given
IMAGE_PASSES = 10  # over the images, that a larger data set gets
MIN_PASSES = 10  # over the images, below which there is a warning
VALIDATIONS = 8
MAX_STEPS = 10**6  # of an epoch, that a recipe may have
VALIDATION_SHARE = 0.15  # of the time of training, for validation, at most
PREDICTION_COST = 0.25  # of a pixel, beside training it
ENOUGH_GROUPS = 5  # in all, below which there is a warning
FEW_IMAGES = 50  # of which a tenth or so is too few for validation to choose an epoch by
MIN_SAME_VIEW = 0.5  # correlation from which images show the same view
MIN_UPRIGHT = 0.8  # share of the images that fit the others better upright than upside down, where these differ
TURNED, MIRRORED = 0.05, 0.1  # loss of correlation from which up and down, left and right differ
COLOUR_SPREAD = 0.03
WIDTH_SPREAD = 0.3
NORM_BATCHES = 8  # of a mixed set, on which the statistics of batch norms are estimated


@dataclass(frozen=True)
class _Budget:
    """What a training may cost.

    Args:
        pixels: That the network sees, about.
        step_seconds: Of STEP_PX of them.
        minutes: That were given for the whole training, if any.
    """

    pixels: float
    step_seconds: float
    minutes: float | None


class _Choices:
    """The choices so far: a value that the user requested comes before that of a rule."""

    def __init__(self, base: Recipe, requested: Mapping[str, Any]) -> None:
        self.requested = base.replace(**requested)
        self.names = set(requested)
        self.values: dict[str, Any] = {}
        self.choices: list[Choice] = []

    def choose(self, field: str, value: Any, reason: str) -> Any:
        """Note a choice, and return the value that counts."""
        if field in self.names:
            value, reason = getattr(self.requested, field), "as requested"
        self.values[field] = value
        self.choices.append(Choice(field=field, value=format_value(value), reason=reason))
        return value


def plan_recipe(
    data: DataFingerprint,
    machine: Machine,
    *,
    minutes: float | None = None,
    base: Recipe | None = None,
    requested: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan a recipe for a data set and a machine.

    Args:
        data: What was measured of the data set.
        machine: What is known of the machine.
        minutes: For the whole training; None lets the data decide.
        base: A recipe that has task and classes; its other values stay where no rule chooses one.
        requested: Values that are not to be chosen, by field.

    Raises:
        CenetError: A requested value is impossible, or the minutes are no time.

    >>> vessels = DataFingerprint(20, 20, 584, 565, (584, 584), 3, ("vessel",), (0.1,), (2.0,))
    >>> plan = plan_recipe(vessels, Machine())
    >>> plan.recipe.scale, plan.reason("scale")
    (2.0, 'vessel is 2 px wide in the middle, and details narrower than 4 px are lost: enlarged 2 times')
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise CenetError(f"--minutes {minutes:g}", "is no time to train in", "give a number above 0")
    base = base or Recipe(name="planned", num_classes=_count_with_background(len(data.classes)), nested=data.nested)
    choices = _Choices(base, requested or {})
    network = _choose_network(choices, machine, minutes)
    budget = _find_budget(data, machine, network, minutes)
    size = choose_size(data, machine, pixels=budget.pixels, choose=choices.choose)
    steps = _choose_length(choices, data, size, budget)
    _choose_optimisation(choices, data, network, steps)
    _choose_flips(choices, data, base)
    _choose_values(choices, data)
    _choose_validation(choices, data, size, budget)
    recipe = base.replace(**{**choices.values, **(requested or {})})
    return Plan(recipe=recipe, choices=tuple(choices.choices), warnings=tuple(_warn(data, size, steps, budget)))


def _count_with_background(foregrounds: int) -> int:
    return foregrounds + 1 if foregrounds > 1 else 1


def _choose_network(choices: _Choices, machine: Machine, minutes: float | None) -> str:
    steps = TRAINED_SHARE * 60 * minutes / machine.step_seconds("cenet") if minutes else None
    network, reason = "cenet-lite", "a CPU that computes in float32 trains it in two fifths of the time of cenet"
    if machine.device != "cpu":
        network, reason = "cenet", f"{machine.describe()} trains it fast"
    elif machine.has_bfloat16 and steps is not None and steps >= CENET_STEPS:
        network = "cenet"
        reason = f"this CPU computes in bfloat16, and --minutes {minutes:g} allow about {steps:.0f} steps of it"
    elif machine.has_bfloat16:
        given = "" if steps is None else f" (--minutes {minutes:g} allow about {steps:.0f})"
        needed = math.ceil(CENET_STEPS * machine.step_seconds("cenet") / 60 / TRAINED_SHARE)
        reason = (
            f"the smaller network: the larger one, cenet, is worth its time only from {CENET_STEPS:,} of its steps "
            f"on{given}; --minutes {needed} would allow them"
        )
    if "encoder" in choices.names and choices.requested.encoder != "efficientnet-lite0":
        network, reason = "cenet", "the requested encoder is one of cenet"
    return str(choices.choose("network", network, reason))


def _find_budget(data: DataFingerprint, machine: Machine, network: str, minutes: float | None) -> _Budget:
    """Return what fits into the minutes, or what the data set needs where no time is given."""
    step_seconds = machine.step_seconds(network)
    if minutes is not None:
        return _Budget(max(TRAINED_SHARE * 60 * minutes / step_seconds, 1) * STEP_PX, step_seconds, minutes)
    least = CPU_STEPS if machine.device == "cpu" else GPU_STEPS
    steps = min(max(least, IMAGE_PASSES * data.images / 4), MOST_STEPS)
    return _Budget(steps * STEP_PX, step_seconds, minutes)


def _choose_length(choices: _Choices, data: DataFingerprint, size: ImageSize, budget: _Budget) -> int:
    """Choose epochs and their steps; return the steps of the training."""
    steps = max(round(budget.pixels / size.step_px), 1)
    seen = PREDICTION_COST * math.ceil(data.images * 0.2) * size.image_px  # in a validation, as pixels of training
    validations = epochs = min(max(int(VALIDATION_SHARE * budget.pixels / seen), 2), VALIDATIONS, steps)
    per_epoch: int | None = None
    if "steps_per_epoch" in choices.names:
        per_epoch = choices.requested.steps_per_epoch
        epochs = min(max(round(steps / (per_epoch or max(data.images // size.batch_size, 1))), 1), MAX_STEPS)
    if "epochs" in choices.names:
        epochs = choices.requested.epochs
    if "steps_per_epoch" not in choices.names:
        per_epoch = min(max(round(steps / epochs), 1), MAX_STEPS)
    steps = epochs * (per_epoch or max(data.images // size.batch_size, 1))  # of the recipe, not of the budget
    passes = steps * size.batch_size / data.images
    time = f"about {format_minutes(steps * size.step_px / STEP_PX * budget.step_seconds / 60)} here"
    if budget.minutes is not None:
        time = f"for --minutes {budget.minutes:g}, timed when it begins"
    drawn = f"in {format_count(steps, 'step')} each of {data.images} images is drawn {_format_times(passes)}"
    choices.choose("epochs", epochs, f"{drawn}, {time}")
    every = math.ceil(epochs / validations)
    reason = f"validated {epochs // every} times in {steps:,} steps, which takes a small part of the time"
    choices.choose("steps_per_epoch", per_epoch, reason)
    if every > 1:
        choices.choose("validate_every", every, reason)
    return steps


def _choose_optimisation(choices: _Choices, data: DataFingerprint, network: str, steps: int) -> None:
    if network == "cenet-lite":
        choices.choose("learning_rate", 3e-3, "the slim network trains well at a high rate")
        choices.choose("encoder_learning_rate_factor", 1.0, "its encoder too")
    elif network != "cenet":
        choices.choose("learning_rate", 1e-3, "what suits a network without a pretrained encoder")
    else:
        choices.choose("learning_rate", 1e-3, "what suits the larger network")
        choices.choose("encoder_learning_rate_factor", 0.5, "its encoder has learnt from photographs already")
    choices.choose("clip_gradients", 1.0, "one bad batch must not undo the others")
    choices.choose("decay_norms", False, "norms and biases need no decay")
    rarest = min(zip(data.class_shares, data.classes, strict=True))
    choices.choose(
        "loss",
        "dice+cross-entropy",
        f"for every data set: Dice weighs a rare class, as {rarest[1]} with {format_digits(100 * rarest[0], 2)} % of "
        "the pixels, as much as a frequent one, cross-entropy each pixel",
    )
    if data.images < FEW_IMAGES:
        reason = f"{data.images} images leave too few for validation to choose an epoch by"
        choices.choose("selection", "average", reason)
        decay = round(min(max(1 - 10 / steps, 0.8), 0.99), 3)
        choices.choose("average_decay", decay, f"of {steps} steps it averages the last tenth or less")
    else:
        choices.choose("selection", "best", f"{data.images} images are enough for validation to choose the epoch")


def _choose_flips(choices: _Choices, data: DataFingerprint, base: Recipe) -> None:
    """Choose the flips and turns under which an image of this kind may come."""
    maps, change = data.symmetry, "change it with --flips and --horizontal-flip-only"
    upright, handed = base.horizontal_flip_only, False
    reason = f"the task says that up and down differ; {change}"
    if maps is None and not upright:
        reason = f"too few images to see whether they have an up and a down, so none is assumed; {change}"
    elif maps is not None and not upright:
        alike = maps.upright >= MIN_SAME_VIEW
        fall = maps.upright - maps.upside_down
        upright = alike and fall >= TURNED and maps.prefer_upright >= MIN_UPRIGHT
        numbers = (
            f"correlation of an image's labels with the others' {maps.upright:.2f} upright and {maps.upside_down:.2f} "
            f"upside down, where {1 - maps.prefer_upright:.0%} of the images fit better"
        )
        reason = f"{'up and down differ' if upright else 'up and down do not differ'} ({numbers}); {change}"
    if maps is not None and maps.upright >= MIN_SAME_VIEW and maps.upright - maps.mirrored > MIRRORED:
        handed = True
        values = f"from {maps.upright:.2f} to {maps.mirrored:.2f}"
        reason = f"left and right differ (mirrored, the correlation of the labels falls {values}); {change}"
    choices.choose("flips", not handed, reason)
    choices.choose(
        "horizontal_flip_only", upright or handed, "without flips it means nothing" if handed else "as the flips"
    )
    if upright or handed:
        choices.choose("rotate_deg", 15.0, "all images have the same side up, give or take a few degrees")
    else:
        choices.choose("rotate_deg", 180.0, "as up and down do not differ, any angle may come")
    if handed:
        choices.choose("validate_tta", False, "a mirrored view would mistake left for right")


def _choose_values(choices: _Choices, data: DataFingerprint) -> None:
    """Choose how much zoom, colour and gamma vary."""
    spread = data.relative_width_spread if choices.values["resize_mode"] == "longest" else data.width_spread
    zoom = 0.3 if spread > WIDTH_SPREAD else 0.2
    choices.choose("zoom", zoom, f"the widths of objects differ by {spread:.0%} between images")
    if data.channels == 1:
        choices.choose("channel_jitter", 0.0, "the images are grey")
    else:
        varied = data.colour_spread > COLOUR_SPREAD
        reason = f"the colour of the images differs by {data.colour_spread:.1%} of the range of values"
        choices.choose("channel_jitter", 0.3 if varied else 0.1, reason)
        if varied:
            reason = "as the colour differs, the running statistics of batch norms are those of the last batches"
            choices.choose("precise_norm_batches", NORM_BATCHES, reason)
    quantitative = data.dtype == "float32" and data.value_range[0] < 0
    low, high = data.value_range
    reason = f"values of {data.dtype} from {low:g} to {high:g}"
    reason += " look quantitative" if quantitative else " depend on exposure"
    choices.choose("gamma", 0.1 if quantitative else 0.3, reason)


def _choose_validation(choices: _Choices, data: DataFingerprint, size: ImageSize, budget: _Budget) -> None:
    if "validate_tta" in choices.values:
        return
    views = 2 if choices.values["horizontal_flip_only"] else 8
    share = views * PREDICTION_COST * math.ceil(data.images * 0.2) * size.image_px / budget.pixels
    reason = f"thresholds for --tta would take {share:.0%} of the time of the training"
    choices.choose("validate_tta", share <= VALIDATION_SHARE, reason)


def _warn(data: DataFingerprint, size: ImageSize, steps: int, budget: _Budget) -> list[str]:
    warnings = []
    passes = steps * size.batch_size / data.images
    if passes < MIN_PASSES:
        needed = MIN_PASSES * data.images * size.crop_px**2 / STEP_PX * budget.step_seconds / 60 / TRAINED_SHARE
        minutes = max(math.ceil(needed), math.floor(budget.minutes or 0) + 1)
        warnings.append(
            f"the training draws each image {_format_times(passes)}, and below {MIN_PASSES} a network learns little; "
            f"about {format_minutes(minutes)} would do"
        )
    groups = data.groups + data.test_groups
    if groups < ENOUGH_GROUPS:
        held_out = "" if data.test_groups else ", and none is held out"
        warnings.append(
            f"{format_count(groups, 'group')}: with few, scores say little of other images{held_out}; add images"
        )
    for name, share in zip(data.classes, data.class_shares, strict=True):
        if share == 0:
            warnings.append(f"{name} is in no image that was read, so it cannot be learnt")
    if 2 * data.empty_images > data.images:
        warnings.append(f"{data.empty_images} of {data.images} images have no foreground; are their labels finished?")
    return warnings


def _format_times(times: float) -> str:
    return "once" if times == 1 else f"{times:,.0f} times" if times >= 10 else f"{times:.2g} times"
