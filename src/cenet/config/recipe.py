"""The recipe: every number of a run in one frozen, typed value."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cenet.errors import CenetError, nearest

Name = Annotated[str, Field(min_length=1, max_length=1000)]

BUNDLED_ENCODERS = ("resnet34-preact", "efficientnet-lite0")
"""The encoders whose weights come with the package."""


class Recipe(BaseModel):
    """Everything that decides what a run becomes; saved with it as JSON, and read back from it.

    >>> Recipe(name="mine").replace(seed=7).seed
    7
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Name
    title: str = Field("", max_length=1000, description="what it is for")
    task: Name = Field(
        "folder",
        description="layout of the data set: folder, nnunet, drive, chase, hrf, vessels, disc, lung, cells or oct, "
        "see `cenet tasks`",
    )
    num_classes: int = Field(1, ge=1, le=255, description="1: foreground (sigmoid); K: background first (softmax)")
    nested: bool = Field(False, description="class k lies inside class k-1, as cup in disc: a sigmoid map for each")
    ordered: bool = Field(False, description="classes lie below each other in every column, as retinal layers do")
    seed: int = Field(0, ge=0, lt=2**32, description="the only source of randomness")

    network: Name = Field("cenet", description="architecture: cenet, cenet-lite, unet, or one that --plugin adds")
    encoder: Literal["resnet18", "resnet34", "resnet34-preact", "efficientnet-lite0"] = Field(
        "resnet34-preact", description="encoder of cenet; that of cenet-lite is always efficientnet-lite0"
    )
    encoder_weights: str = Field(
        "bundled", max_length=10_000, description="bundled, imagenet, none, or a file (.safetensors, .pth)"
    )
    dac: Literal["atrous", "regular", "inception-resnet", "inception"] | None = Field(
        "atrous", description="dense atrous convolution block, or one of its ablations; none: leave it out"
    )
    rmp: bool = Field(True, description="use residual multi-kernel pooling")
    share_weights: bool = Field(
        True, description="branches share weights (authors' code) or own them (paper's drawing)"
    )
    use_stem_skip: bool = Field(False, description="add the encoder's first feature map, as the paper draws")
    input_normalisation: Literal["encoder", "authors"] = Field(
        "encoder", description="first layer: what the encoder's weights expect, or the authors' BGR x/255*3.2-1.6"
    )

    resize_mode: Literal["native", "longest", "square", "field-of-view"] = Field(
        "native",
        description="native: times `scale`; longest: longest side to size_px; square: squash to size_px; "
        "field-of-view: diameter of a fundus photograph's field of view to size_px",
    )
    scale: float = Field(1.0, gt=0, le=8, description="with resize_mode=native: factor on the image's own size")
    size_px: int = Field(448, ge=32, le=4096, description="with resize_mode=longest, square or field-of-view: pixels")
    roi_fraction: float | None = Field(
        None, gt=0, le=2, description="side of the square around what a localiser finds, in fields of view; none: all"
    )
    localiser_size_px: int = Field(
        256, ge=32, le=1024, description="with roi_fraction: side of the image that the localiser sees, pixels"
    )
    localiser_epochs: int = Field(
        30, ge=1, le=10**6, description="with roi_fraction: epochs of the localiser, which sees whole images"
    )
    clip_low: float | None = Field(
        None, description="image values below it become it, as -1024 for CT, where the scanner saw nothing; none: all"
    )
    clip_high: float | None = Field(None, description="image values above it become it; none: all stay")
    tile_px: int = Field(1536, ge=192, le=16_384, description="larger images are predicted in such windows, pixels")

    epochs: int = Field(30, ge=1, le=10**6, description="passes over the training images")
    steps_per_epoch: int | None = Field(
        None, ge=1, le=10**6, description="batches in an epoch; none: as many as show every training image once"
    )
    batch_size: int = Field(4, ge=1, le=10**6, description="images or crops in a batch")
    crop_px: int | None = Field(448, ge=32, le=4096, description="side of training crops, pixels; none: whole images")
    loss_outside_fov: bool = Field(False, description="train on labels outside the field of view too; scores never do")
    loss: Literal["dice", "cross-entropy", "dice+cross-entropy"] = Field(
        "dice+cross-entropy", description="what training minimises"
    )
    optimiser: Literal["sgd", "adamw"] = Field("adamw", description="optimiser")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="peak learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="with optimiser=sgd: momentum")
    encoder_learning_rate_factor: float = Field(
        1.0, gt=0, le=10, description="factor on the learning rate of pretrained layers"
    )
    weight_decay: float = Field(1e-4, ge=0, le=1000, description="weight decay")
    decay_norms: bool = Field(True, description="apply weight decay to norms and biases too")
    clip_gradients: float | None = Field(
        None, gt=0, le=10**6, description="largest norm of the gradient of all weights together; none: no limit"
    )
    freeze_input_norm: bool = Field(
        False, description="with encoder=resnet34-preact: keep the statistics of its batch norm of the image"
    )
    precise_norm_batches: int | None = Field(
        None,
        ge=1,
        le=10**4,
        description="training batches over which the statistics of batch norms are estimated anew before each "
        "validation and at the end; none: keep their running averages",
    )
    schedule: Literal["poly", "one-cycle"] = Field(
        "one-cycle", description="course of the learning rate; poly: (1 - step/steps)^0.9"
    )
    patience: int | None = Field(
        None, ge=1, le=10**6, description="validations without a better Dice before training stops; none: never stop"
    )
    selection: Literal["best", "last", "average"] = Field(
        "best",
        description="weights to keep: of the epoch with the best validation Dice, of the last epoch, or the "
        "exponential moving average at its end",
    )
    average_decay: float = Field(
        0.99, gt=0, lt=1, description="with selection=average: how much of the average a step keeps"
    )
    validate_every: int = Field(1, ge=1, le=10**6, description="epochs between validations")

    expand_d4: bool = Field(False, description="an epoch holds all eight flips and turns of every image")
    flips: bool = Field(True, description="random flips and quarter turns")
    horizontal_flip_only: bool = Field(False, description="up and down differ, so flip left and right only")
    rotate_deg: float = Field(0.0, ge=0, le=180, description="random rotation up to this angle")
    elastic_px: float = Field(0.0, ge=0, le=64, description="random elastic warp: spread of the displacements, pixels")
    zoom: float = Field(0.1, ge=0, lt=1, description="random scaling of each axis, by about 1 - zoom to 1 + zoom")
    translate: float = Field(
        0.1, ge=0, lt=1, description="random shift of whole images, as a share of size_px; crops are not shifted"
    )
    brightness: float = Field(0.1, ge=0, lt=1, description="random factor on the values")
    channel_jitter: float = Field(0.0, ge=0, lt=1, description="random factor for each channel")
    gamma: float = Field(0.0, ge=0, lt=1, description="random gamma from 1 - gamma to 1 + gamma")

    threshold_metric: Literal["dice", "v_rand"] = Field("dice", description="metric that the threshold maximises")
    validate_tta: bool = Field(
        True,
        description="choose calibration and threshold for predictions with --tta too, at the end; false: for one view",
    )
    test_fraction: float = Field(0.2, ge=0, lt=1, description="share of the groups held out as test part")
    validation_fraction: float = Field(0.2, gt=0, lt=1, description="share of the other groups that chooses the epoch")

    unverified: tuple[Name, ...] = Field(
        (), max_length=100, description="fields whose value the paper's record does not confirm"
    )

    @model_validator(mode="before")
    @classmethod
    def _choose_encoder(cls, fields: Any) -> Any:
        """The slim network and the default one have an encoder each, so naming the network is enough."""
        if not isinstance(fields, dict):
            return fields
        default = cls.model_fields["encoder"].default
        network, encoder = fields.get("network", "cenet"), fields.get("encoder", default)
        if network == "cenet-lite" and encoder == default:
            return {**fields, "encoder": "efficientnet-lite0"}
        if network not in ("cenet", "cenet-lite") and encoder == "efficientnet-lite0":  # which it ignores
            return {**fields, "encoder": default}
        return fields

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.nested and self.num_classes < 3:
            raise ValueError(
                f"nested regions are two or more, but num_classes is {self.num_classes}", "add --num-classes"
            )
        if self.ordered and (self.nested or self.num_classes < 3):
            raise ValueError("ordered classes are three or more that exclude each other", "set --num-classes")
        if self.threshold_metric == "v_rand" and self.num_classes > 1:
            raise ValueError("V_Rand is of one class, the membrane", "use --threshold-metric dice")
        if self.roi_fraction is not None and (self.resize_mode != "square" or not self.sigmoid):
            raise ValueError("roi_fraction makes squares of one class or of nested ones", "set --resize-mode square")
        if self.horizontal_flip_only and self.expand_d4:
            raise ValueError("an upright image has two views, not eight", "set --expand-d4 false")
        if self.network == "unet" and self.encoder_weights != "none":
            raise ValueError("the U-Net has no pretrained encoder", "add --encoder-weights none")
        if (self.network == "cenet-lite") != (self.encoder == "efficientnet-lite0"):
            raise ValueError(
                f"network {self.network} does not have the encoder {self.encoder}",
                "add --network cenet-lite, or another --encoder"
                if self.network == "cenet"
                else "add --encoder efficientnet-lite0, or --network cenet",
            )
        if self.encoder_weights == "bundled" and self.encoder not in BUNDLED_ENCODERS:
            raise ValueError(
                f"the bundled weights belong to --encoder resnet34-preact, not {self.encoder}",
                "change one of the two (imagenet and none go with every other encoder)",
            )
        if self.encoder_weights == "imagenet" and self.encoder in BUNDLED_ENCODERS:
            raise ValueError(
                "torchvision's imagenet weights belong to --encoder resnet34 or resnet18",
                f"use --encoder-weights bundled with {self.encoder}",
            )
        if self.validate_every > self.epochs:
            raise ValueError(f"validate_every {self.validate_every} is more than the {self.epochs} epochs", "lower it")
        if self.crop_px is None and self.resize_mode != "square":
            raise ValueError("whole images make a batch only at one size", "set --resize-mode square, or a --crop-px")
        if self.crop_px is not None and self.crop_px % 32:
            raise ValueError(f"crop_px {self.crop_px} is no multiple of 32", f"use {max(self.crop_px // 32, 1) * 32}")
        return self

    @model_validator(mode="after")
    def _check_clip(self) -> Self:
        if self.clip_low is not None and self.clip_high is not None and self.clip_low >= self.clip_high:
            raise ValueError(f"clip_low {self.clip_low:g} is not below clip_high {self.clip_high:g}", "swap them")
        return self

    @model_validator(mode="after")
    def _check_frozen_norm(self) -> Self:
        if self.freeze_input_norm and (self.network == "unet" or self.encoder != "resnet34-preact"):
            raise ValueError("only the encoder resnet34-preact has a batch norm of the image", "unfreeze it")
        return self

    @property
    def sigmoid(self) -> bool:
        """Whether each map is a foreground of its own, cut at a threshold, and not one of classes that exclude others.

        >>> Recipe(name="mine").sigmoid, Recipe(name="mine").replace(num_classes=3).sigmoid
        (True, False)
        """
        return self.num_classes == 1 or self.nested

    @property
    def clip(self) -> tuple[float, float]:
        """The least and the largest value that an image keeps.

        >>> Recipe(name="mine", clip_low=-1024).clip
        (-1024.0, inf)
        """
        return (
            -math.inf if self.clip_low is None else self.clip_low,
            math.inf if self.clip_high is None else self.clip_high,
        )

    @property
    def maps(self) -> int:
        """How many maps the network gives.

        >>> [Recipe(name="mine").replace(num_classes=k, nested=n).maps for k, n in ((1, False), (3, False), (3, True))]
        [1, 3, 2]
        """
        return self.num_classes - self.nested

    @property
    def views(self) -> tuple[int, ...]:
        """The flips and turns in which an image looks as natural as it is, by their number in `geometry.view`.

        >>> Recipe(name="mine").views, Recipe(name="mine").replace(horizontal_flip_only=True).views
        ((0, 1, 2, 3, 4, 5, 6, 7), (0, 4))
        """
        return (0, 4) if self.horizontal_flip_only else tuple(range(8))

    @property
    def localiser(self) -> "Recipe":
        """The recipe of the localiser: the same network on the whole photograph, small.

        >>> Recipe(name="mine", resize_mode="square", crop_px=None, roi_fraction=0.4).localiser.size_px
        256
        """
        return self.replace(
            roi_fraction=None,
            size_px=self.localiser_size_px,
            epochs=self.localiser_epochs,
            patience=None,
            validate_every=min(self.validate_every, self.localiser_epochs),
            validate_tta=False,  # it looks once
        )

    def replace(self, **changes: Any) -> "Recipe":
        """This recipe with other values, checked as if it were new.

        Args:
            changes: Field names and values; a value may be the text that a command line gave.

        Raises:
            CenetError: An unknown field (the nearest name is offered) or a value out of range.

        >>> Recipe(name="mine").replace(learning_rat=1)
        Traceback (most recent call last):
        cenet.errors.CenetError: recipe mine: there is no field learning_rat; did you mean learning_rate?
        """
        return validate_recipe({**self.model_dump(), **changes}, origin=f"recipe {self.name}")


def validate_recipe(fields: Mapping[str, Any], *, origin: str) -> Recipe:
    """A recipe of these values.

    Args:
        fields: Names and values; a value may be the text that a command line gave.
        origin: What an error calls the recipe.

    Raises:
        CenetError: An unknown or missing field, or a value out of range.

    >>> validate_recipe({"name": "mine", "patience": "none"}, origin="recipe mine").patience
    """
    values = {key: None if value == "none" and _may_be_none(key) else value for key, value in fields.items()}
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = nearest(field, Recipe.model_fields)
            remedy = f"did you mean {near}?" if near else "see `cenet train --help`"
            raise CenetError(origin, f"there is no field {field:.200}", remedy) from None
        if first["type"] == "missing":
            raise CenetError(origin, f"the field {field} is missing", "add it") from None
        if not field:  # raised by a validator of ours
            conflict = first["ctx"]["error"]
            raise CenetError(origin, *conflict.args) from None
        cause = f"{field:.200} = {first['input']!r:.200} is not allowed: {first['msg']}"
        raise CenetError(origin, cause, "see `cenet train --help`") from None


def _may_be_none(field: str) -> bool:
    return field in Recipe.model_fields and type(None) in getattr(Recipe.model_fields[field].annotation, "__args__", ())
