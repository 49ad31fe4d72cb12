"""Recipes: every number of a run in one frozen, typed value."""

import difflib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from cenet.errors import CenetError


class Recipe(BaseModel):
    """Everything that decides what a run becomes; saved with it as JSON, and read back from it.

    >>> RECIPES["drive"].replace(seed=7).seed
    7
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    title: str = Field("", description="what it is for")
    task: Literal["folder", "nnunet", "drive", "chase"] = Field(
        "folder", description="layout of the data, see `cenet tasks`"
    )
    num_classes: int = Field(1, ge=1, le=255, description="1: foreground (sigmoid); K: background first (softmax)")
    nested: bool = Field(False, description="class k lies inside class k-1, as cup in disc: a sigmoid map for each")
    seed: int = Field(0, ge=0, lt=2**32, description="the only source of randomness")

    network: Literal["cenet", "unet"] = "cenet"
    encoder: Literal["resnet18", "resnet34", "resnet34-preact"] = "resnet34-preact"
    encoder_weights: str = Field("bundled", description="bundled, imagenet, none, or a file (.safetensors, .pth)")
    dac: Literal["atrous", "regular", "inception-resnet", "inception"] | None = "atrous"
    rmp: bool = Field(True, description="residual multi-kernel pooling")
    shared: bool = Field(True, description="branches share weights (authors' code) or own them (paper's drawing)")
    first_skip: bool = Field(False, description="add the encoder's first feature map, as the paper draws")
    input_rule: Literal["encoder", "authors"] = Field(
        "encoder", description="first layer: what the encoder's weights expect, or the authors' BGR x/255*3.2-1.6"
    )

    fit: Literal["native", "longest", "square"] = Field(
        "native", description="native: times `scale`; longest: longest side to size_px; square: squash to size_px"
    )
    scale: float = Field(1.0, gt=0, le=8, description="with fit=native: factor on the image's own size")
    size_px: int = Field(448, ge=32, le=4096, description="with fit=longest or square: pixels")
    window_px: int = Field(1536, ge=192, description="larger images meet the network in windows of this side")

    epochs: int = Field(30, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1, description="none: every training image once an epoch")
    batch_size: int = Field(4, ge=1)
    crop_px: int | None = Field(448, ge=32, description="side of the random training crops; none: whole images")
    learn_outside: bool = Field(False, description="learn from the label outside the region too; scores never do")
    loss: Literal["dice", "cross-entropy", "dice+cross-entropy"] = "dice+cross-entropy"
    optimiser: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    encoder_learning_rate_factor: float = Field(1.0, gt=0, le=10, description="for pretrained layers")
    weight_decay: float = Field(1e-4, ge=0)
    schedule: Literal["poly", "one-cycle"] = Field("one-cycle", description="poly: (1 - step/steps)^0.9")
    patience: int | None = Field(None, ge=1, description="validations without a better Dice before stopping")
    validate_every: int = Field(1, ge=1, description="epochs between validations")

    eight_views: bool = Field(False, description="an epoch holds all eight flips and turns of every image")
    flips: bool = Field(True, description="random flips and quarter turns; off where up and down differ")
    rotate_deg: float = Field(0.0, ge=0, le=180, description="random rotation up to this angle")
    zoom: float = Field(0.1, ge=0, lt=1, description="random scaling of each axis, by about 1 - zoom to 1 + zoom")
    shift: float = Field(
        0.1, ge=0, lt=1, description="random shift of whole images, as a part of size_px; a crop is a shift already"
    )
    brightness: float = Field(0.1, ge=0, lt=1, description="random factor on the values")
    colour: float = Field(0.0, ge=0, lt=1, description="random factor for each channel")
    gamma: float = Field(0.0, ge=0, lt=1, description="random gamma from 1 - gamma to 1 + gamma")

    test_fraction: float = Field(0.2, ge=0, lt=1, description="groups sealed for the test")
    validation_fraction: float = Field(0.2, gt=0, lt=1, description="of the other groups, for epoch and threshold")

    unverified: tuple[str, ...] = Field((), description="fields whose value the paper's record does not confirm")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.nested and self.num_classes < 3:
            raise ValueError(
                f"nested regions are two or more, but num_classes is {self.num_classes}; add --num-classes"
            )
        if self.network == "unet" and self.encoder_weights != "none":
            raise ValueError("the U-Net has no pretrained encoder; add --encoder-weights none")
        if self.encoder_weights == "bundled" and self.encoder != "resnet34-preact":
            raise ValueError(
                f"the bundled weights belong to --encoder resnet34-preact, not {self.encoder}; "
                "change one of the two (imagenet and none go with every other encoder)"
            )
        if self.encoder_weights == "imagenet" and self.encoder == "resnet34-preact":
            raise ValueError(
                "torchvision's imagenet weights belong to --encoder resnet34 or resnet18; "
                "use --encoder-weights bundled with resnet34-preact"
            )
        if self.validate_every > self.epochs:
            raise ValueError(f"validate_every {self.validate_every} is more than the {self.epochs} epochs; lower it")
        if self.crop_px is None and self.fit != "square":
            raise ValueError("whole images make a batch only at one size; set --fit square, or a --crop-px")
        if self.crop_px is not None and self.crop_px % 32:
            raise ValueError(f"crop_px {self.crop_px} is no multiple of 32; use {max(self.crop_px // 32, 1) * 32}")
        return self

    @property
    def sigmoid(self) -> bool:
        """Whether each map is a foreground of its own, cut at a threshold, and not one of classes that exclude others.

        >>> RECIPES["drive"].sigmoid, RECIPES["drive"].replace(num_classes=3).sigmoid
        (True, False)
        """
        return self.num_classes == 1 or self.nested

    @property
    def maps(self) -> int:
        """How many maps the network gives.

        >>> [RECIPES["folder"].replace(num_classes=k, nested=n).maps for k, n in ((1, False), (3, False), (3, True))]
        [1, 3, 2]
        """
        return self.num_classes - self.nested

    def replace(self, **changes: Any) -> "Recipe":
        """This recipe with other values, checked as if it were new.

        Args:
            changes: Field names and values; a value may be the text that a command line gave.

        Raises:
            CenetError: An unknown field (the nearest name is offered) or a value out of range.

        >>> RECIPES["drive"].replace(learning_rat=1)
        Traceback (most recent call last):
        cenet.errors.CenetError: recipe drive: there is no field learning_rat; did you mean learning_rate?
        """
        return _checked({**self.model_dump(), **changes}, origin=f"recipe {self.name}")

    def command(self, data: str = "DATA", **options: object) -> str:
        """The command that trains this recipe; of a path only the last part, as its place is nobody's business.

        Args:
            data: The images' folder.
            options: Further options of `cenet train`; None leaves one out.

        >>> RECIPES["drive"].replace(seed=7).command("DRIVE", output="runs/seven")
        'cenet train drive --data DRIVE --seed 7 --output runs/seven'
        """
        words = ["cenet", "train", self.name if self.name in RECIPES else "recipe.json", "--data", data]
        ours, theirs = self.model_dump(), RECIPES.get(self.name, self).model_dump()
        changes = {key: value for key, value in ours.items() if value != theirs[key]}
        changes |= {key: value for key, value in options.items() if value is not None}
        for key, value in changes.items():
            words += [f"--{key.replace('_', '-')}", _word(key, value)]
        return shlex.join(words)


def _word(key: str, value: object) -> str:
    if key == "encoder_weights":
        return Path(str(value)).name
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def load_recipe(name_or_file: str) -> Recipe:
    """A recipe by its name in `RECIPES`, or from a JSON file.

    Raises:
        CenetError: No such recipe or file, or a file that is no recipe.

    >>> load_recipe("drive").task
    'drive'
    """
    if name_or_file in RECIPES:
        return RECIPES[name_or_file]
    path = Path(name_or_file)
    if path.suffix != ".json":
        raise CenetError(
            f"no recipe is called {name_or_file}{_did_you_mean(name_or_file, RECIPES)}; "
            f"choose from {', '.join(RECIPES)}, or name a .json file"
        )
    try:
        fields = from_json(path.read_bytes())  # unlike `json` it refuses depths and characters that nothing can print
    except OSError as error:
        raise CenetError(f"{path}: cannot be read ({error.strerror}); name a recipe's JSON file") from error
    except ValueError as error:
        raise CenetError(f"{path}: is not JSON ({error}); name a recipe.json as a run folder holds it") from error
    if not isinstance(fields, dict):
        raise CenetError(f"{path}: holds no recipe; name a recipe.json as a run folder holds it")
    return _checked(fields, origin=str(path))


def _checked(fields: Mapping[str, Any], *, origin: str) -> Recipe:
    values = {key: None if value == "none" and _may_be_none(key) else value for key, value in fields.items()}
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            hint = _did_you_mean(field, Recipe.model_fields) or "; see `cenet train --help`"
            reason = f"there is no field {field}{hint}"
        elif first["type"] == "missing":
            reason = f"the field {field} is missing; add it"
        elif not field:
            reason = str(first["ctx"]["error"])
        else:
            reason = f"{field} = {first['input']!r} is not allowed: {first['msg']}; see `cenet train --help`"
        raise CenetError(f"{origin}: {reason}") from None


def _may_be_none(field: str) -> bool:
    return field in Recipe.model_fields and type(None) in getattr(Recipe.model_fields[field].annotation, "__args__", ())


def _did_you_mean(word: str, words: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {near[0]}?" if near else ""


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="phantom-vessels",
            title="vessels on drawn fundus photographs: the demo, minutes on a laptop's CPU",
            fit="longest",
            size_px=512,
            crop_px=256,
            batch_size=8,
            epochs=6,
            steps_per_epoch=25,
            learn_outside=True,
            first_skip=True,
            rotate_deg=30,
            colour=0.15,
            gamma=0.3,
        ),
        Recipe(
            name="drive-paper",
            title="the paper's training on DRIVE, as far as it is known; the split is ours",
            task="drive",
            encoder="resnet34",
            encoder_weights="imagenet",
            fit="square",
            size_px=448,
            crop_px=None,
            eight_views=True,
            learn_outside=True,
            batch_size=8,
            epochs=100,
            loss="dice",
            optimiser="sgd",
            learning_rate=4e-3,
            weight_decay=1e-4,
            schedule="poly",
            flips=False,
            zoom=0.1,
            shift=0.1,
            brightness=0.0,
            colour=0.1,
            unverified=(
                "input_rule",
                "shared",
                "first_skip",
                "size_px",
                "epochs",
                "batch_size",
                "eight_views",
                "learn_outside",
                "optimiser",
                "learning_rate",
                "momentum",
                "weight_decay",
                "schedule",
                "zoom",
                "shift",
                "brightness",
                "colour",
            ),
        ),
        Recipe(
            name="drive",
            title="our own best on DRIVE: twice the size, where the thinnest vessels are two pixels wide",
            task="drive",
            scale=2.0,
            crop_px=448,
            batch_size=4,
            epochs=12,
            learn_outside=True,
            steps_per_epoch=25,
            learning_rate=2e-3,
            encoder_learning_rate_factor=0.5,
            first_skip=True,
            colour=0.1,
            gamma=0.2,
        ),
        Recipe(
            name="folder",
            title="your own images in a plain folder",
            first_skip=True,
            colour=0.1,
            gamma=0.2,
            rotate_deg=15,
            epochs=50,
            patience=15,
        ),
    )
}
