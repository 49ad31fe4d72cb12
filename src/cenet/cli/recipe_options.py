"""The options that change a field of the recipe, in groups, each with type, choices and the named recipe's value."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, get_args, get_origin

from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from cenet.cli.options import Plugin
from cenet.config.presets import RECIPES, load_recipe
from cenet.config.recipe import Recipe
from cenet.config.recipe_command import format_value
from cenet.errors import CenetError

GROUPS: dict[str, tuple[str, ...]] = {
    "data": ("task", "num_classes", "nested", "ordered", "test_fraction", "validation_fraction"),
    "network": (
        "network",
        "encoder",
        "encoder_weights",
        "dac",
        "rmp",
        "share_weights",
        "use_stem_skip",
        "use_image_skip",
        "input_normalisation",
    ),
    "image size": (
        "resize_mode",
        "scale",
        "size_px",
        "crop_px",
        "tile_px",
        "clip_low",
        "clip_high",
        "roi_fraction",
        "localiser_size_px",
        "localiser_epochs",
    ),
    "training": (
        "seed",
        "epochs",
        "steps_per_epoch",
        "batch_size",
        "loss",
        "gap_weight",
        "loss_outside_fov",
        "optimiser",
        "learning_rate",
        "encoder_learning_rate_factor",
        "momentum",
        "weight_decay",
        "decay_norms",
        "clip_gradients",
        "freeze_input_norm",
        "precise_norm_batches",
        "schedule",
        "patience",
        "selection",
        "average_decay",
        "validate_every",
        "threshold_metric",
        "validate_tta",
    ),
    "augmentation": (
        "flips",
        "horizontal_flip_only",
        "expand_d4",
        "rotate_deg",
        "zoom",
        "translate",
        "elastic_px",
        "brightness",
        "channel_jitter",
        "gamma",
        "shading",
    ),
}
ALIASES = {
    "batch_size": ("--bs",),
    "input_normalisation": ("--input-normalization",),
    "learning_rate": ("--lr",),
    "optimiser": ("--optimizer",),
    "weight_decay": ("--wd",),
}
PLANNED = "planned"  # in place of a value, where a recipe will be planned
TYPE_NAMES = {int: "INT", float: "FLOAT", str: "TEXT"}


class RecipeValue(str):
    """The value that the named recipe has; an option that was given is a plain `str`."""

    __slots__ = ()


def format_type(annotation: Any) -> str:
    """Write the type of a field as the help shows it.

    >>> format_type(int | None), format_type(bool), format_type(Literal["sgd", "adamw"])
    ('INT|none', '{true,false}', '{sgd,adamw}')
    """
    if type(None) in get_args(annotation):
        (other,) = (part for part in get_args(annotation) if part is not type(None))
        return f"{format_type(other)}|none"
    if get_origin(annotation) is Literal:
        return "{" + ",".join(get_args(annotation)) + "}"
    return "{true,false}" if annotation is bool else TYPE_NAMES[annotation]


def _option(name: str) -> Any:
    """The type of one option; its text is checked by the recipe, as that of a recipe file is."""
    model_field = Recipe.model_fields[name]
    text = PrimitiveConstructorSpec(
        nargs=1,
        metavar=format_type(model_field.annotation),
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    )
    return Annotated[str, text, arg(help=model_field.description, aliases=ALIASES.get(name, ()))]


def _group(title: str) -> Any:
    """A dataclass with the fields of a group."""
    default = RECIPES["folder"]
    options = [(name, _option(name), RecipeValue(format_value(getattr(default, name)))) for name in GROUPS[title]]
    return make_dataclass(f"{title.title().replace(' ', '')}Fields", options, frozen=True)


if TYPE_CHECKING:
    DataFields: TypeAlias = Any
    NetworkFields: TypeAlias = Any
    ImageSizeFields: TypeAlias = Any
    TrainingFields: TypeAlias = Any
    AugmentationFields: TypeAlias = Any
else:
    DataFields, NetworkFields, ImageSizeFields, TrainingFields, AugmentationFields = map(_group, GROUPS)


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """The fields of a recipe as options, one group for each part of a training."""

    unnamed_recipe: ClassVar[str | None] = "folder"  # whose values the help shows where none is named; None: planned

    data_fields: Annotated[DataFields, arg(name="data")] = field(default_factory=DataFields)
    network_fields: Annotated[NetworkFields, arg(name="network")] = field(default_factory=NetworkFields)
    image_size_fields: Annotated[ImageSizeFields, arg(name="image size")] = field(default_factory=ImageSizeFields)
    training_fields: Annotated[TrainingFields, arg(name="training")] = field(default_factory=TrainingFields)
    augmentation_fields: Annotated[AugmentationFields, arg(name="augmentation")] = field(
        default_factory=AugmentationFields
    )

    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""

    @property
    def changes(self) -> dict[str, str]:
        """The fields that were given on the command line, with the text that was given."""
        groups = [getattr(self, f"{title.replace(' ', '_')}_fields") for title in GROUPS]
        values = {item.name: getattr(group, item.name) for group in groups for item in fields(group)}
        return {name: value for name, value in values.items() if not isinstance(value, RecipeValue)}


def default_fields(recipe: Recipe | None) -> dict[str, Any]:
    """The groups of options with the values of a recipe as defaults, by the names they have in `RecipeOptions`.

    Args:
        recipe: The recipe; None where one will be planned.
    """
    texts = {name: PLANNED if recipe is None else format_value(getattr(recipe, name)) for name in Recipe.model_fields}
    values = {name: RecipeValue(text) for name, text in texts.items()}
    types = (DataFields, NetworkFields, ImageSizeFields, TrainingFields, AugmentationFields)
    return {
        f"{title.replace(' ', '_')}_fields": group(**{name: values[name] for name in GROUPS[title]})
        for title, group in zip(GROUPS, types, strict=True)
    }


def find_named_recipe(arguments: Sequence[str]) -> Recipe | None:
    """Find the recipe whose values the help shows: the one that the arguments name.

    The guess decides what is shown and nothing else, so a folder called as a recipe does no harm.

    >>> find_named_recipe(["drive", "--help"]).name, find_named_recipe(["--help"])
    ('drive', None)
    """
    for word in arguments:
        if word in RECIPES or Path(word).suffix == ".json":
            try:
                return load_recipe(word)
            except CenetError:  # another file; what is wrong with a recipe is reported when it is used
                continue
    return None
