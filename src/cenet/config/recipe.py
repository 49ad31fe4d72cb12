"""The recipe: every number of a run in one frozen, typed value."""

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError, model_validator

from cenet.config.recipe_fields import RecipeFields
from cenet.errors import CenetError, nearest

BUNDLED_ENCODERS = ("resnet34-preact", "efficientnet-lite0")
"""The encoders whose weights come with the package."""


class Recipe(RecipeFields):
    """Everything that decides what a run becomes; saved with it as JSON, and read back from it.

    >>> Recipe(name="mine").replace(seed=7).seed
    7
    """

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
            raise ValueError(f"validate_every {self.validate_every} is more than the epochs, {self.epochs}", "lower it")
        if self.crop_px is None and self.resize_mode != "square":
            raise ValueError("whole images make a batch only at one size", "set --resize-mode square, or a --crop-px")
        if self.crop_px is not None and self.crop_px % 32:
            raise ValueError(f"crop_px {self.crop_px} is no multiple of 32", f"use {max(self.crop_px // 32, 1) * 32}")
        return self

    @model_validator(mode="after")
    def _check_validation(self) -> Self:
        if not self.validation_fraction and (self.selection == "best" or self.patience):
            cause = "without validation images no epoch is the best"
            raise ValueError(cause, "add --selection average (or last) and --patience none")
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
        """The flips and turns in which an image looks as natural as it is, by number (`cenet.data.views`).

        >>> Recipe(name="mine").views, Recipe(name="mine").replace(horizontal_flip_only=True).views
        ((0, 1, 2, 3, 4, 5, 6, 7), (0, 4))
        >>> Recipe(name="mine").replace(flips=False).views  # it has never met a mirrored image
        (0,)
        """
        if not (self.flips or self.expand_d4):
            return (0,)
        return (0, 4) if self.horizontal_flip_only else tuple(range(8))

    @property
    def validated_views(self) -> tuple[int, ...]:
        """Of how many views each the thresholds are chosen on the validation part.

        >>> Recipe(name="mine").validated_views, Recipe(name="mine").replace(flips=False).validated_views
        ((1, 8), (1,))
        """
        return (1, len(self.views)) if self.validate_tta and len(self.views) > 1 else (1,)

    @property
    def localiser(self) -> "Recipe":
        """The recipe of the localiser: the same network on the whole photograph, small.

        >>> Recipe(name="mine", resize_mode="square", crop_px=None, roi_fraction=0.4).localiser.size_px
        256
        """
        return self.replace(
            roi_fraction=None,
            size_px=self.localiser_size_px,
            crop_px=None,
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
