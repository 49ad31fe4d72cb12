"""From an image to its probabilities and mask, whatever computes the network; nothing here imports PyTorch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from cenet.config.recipe import Recipe
from cenet.data.appearance import ImageAppearance
from cenet.data.field_of_view import find_field_of_view, measure_diameter, measure_large_diameter
from cenet.data.preprocessing import PixelSource, ResizePolicy, SpatialTransform
from cenet.data.views import augment_view, undo_view
from cenet.data.windows import Window
from cenet.errors import CenetError
from cenet.inference.compare_pixel_size import check_matchable, find_zoom
from cenet.inference.memory import check_arrays
from cenet.inference.pixels import InputImage, InputImages, to_pixels
from cenet.inference.post_processing import NO_POST_PROCESSING, PostProcessing
from cenet.inference.prediction import Prediction
from cenet.inference.uncertainty import Uncertainty, estimate_uncertainty
from cenet.metrics.calibration import apply as calibrate

PixelUm = tuple[float, float]  # height and width of a pixel in micrometres


class Pipeline(ABC):
    """Everything that an image needs on its way to a mask but the network itself, which a subclass computes.

    Args:
        recipe: Says how an image meets the network.
        stride: The sides of what the network sees are multiples of it.
        min_size: The least side that the network sees, pixels.
        thresholds: For sigmoid maps; 0.5 where there are none.
        calibration: The (scale, bias) that probabilities go through before they leave, see `metrics.calibration`.
        post_processing: What is done to masks after the thresholds.
        expects: Channels and type of the values of its images; others are refused.
        tta: Average the recipe's views, its flips and turns (test-time augmentation).
        localiser: Finds where to look, for a recipe with `roi_fraction`; without it one looks at the middle.
        appearance: How the training images look, so that an image that does not look so is called out.
        pixel_um: Height and width of a pixel of the training images in micrometres, where they are known.
        channels: What the channels of its images are called, where that is known.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        stride: int,
        min_size: int,
        thresholds: Sequence[float] = (),
        calibration: Sequence[tuple[float, float]] = (),
        post_processing: PostProcessing = NO_POST_PROCESSING,
        expects: tuple[int, str] | None = None,
        tta: bool = False,
        localiser: "Pipeline | None" = None,
        appearance: ImageAppearance | None = None,
        pixel_um: PixelUm | None = None,
        channels: Sequence[str] = (),
    ) -> None:
        self.thresholds = tuple(thresholds or [0.5] * recipe.maps) if recipe.sigmoid else ()
        self.calibration, self.softmax = tuple(calibration), not recipe.sigmoid
        self.channels = tuple(channels)
        self.expects, self.localiser, self.ordered = expects, localiser, recipe.ordered
        self.appearance, self.post_processing, self.pixel_um = appearance, post_processing, pixel_um
        self.all_views = recipe.views
        if tta:
            self._check_views()
        self.views = recipe.views if tta else recipe.views[:1]
        self.maps = recipe.maps
        self.geometry = ResizePolicy(
            resize_mode=recipe.resize_mode,
            scale=recipe.scale,
            size_px=recipe.size_px,
            around=recipe.roi_fraction,
            tile_px=recipe.tile_px,
            stride=stride,
            min_size=min_size,
            smooth=recipe.input_normalisation != "authors",
            clip=recipe.clip,
        )

    def with_windows(self, tile_px: int) -> Self:
        """A copy whose larger images meet the network in windows of this side, in place of the recipe's."""
        limited = copy(self)
        limited.geometry = replace(self.geometry, tile_px=tile_px)
        return limited

    @abstractmethod
    def forward(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the network's probabilities of an image as it meets the network.

        Args:
            image: In the image's own values, its sides multiples of `stride`.

        Shape:
            (C, H, W) to (maps, H, W), both float32.
        """

    @overload
    def __call__(
        self, image: InputImage, *, name: str = ..., uncertainty: bool = ..., pixel_um: PixelUm | None = ...
    ) -> Prediction: ...
    @overload
    def __call__(
        self, image: InputImages, *, name: str = ..., uncertainty: bool = ..., pixel_um: PixelUm | None = ...
    ) -> list[Prediction]: ...
    def __call__(
        self,
        image: InputImage | InputImages,
        *,
        name: str = "image",
        uncertainty: bool = False,
        pixel_um: PixelUm | None = None,
    ) -> Prediction | list[Prediction]:
        """Predict images of any size.

        Args:
            image: A file, a PIL image, or an array `(H, W, C)` as the network was trained on; or a list of these.
            name: What errors call an image that is not a file.
            uncertainty: Estimate how unsure it is of each pixel, from all of the recipe's views; probabilities and mask
                are the same as without.
            pixel_um: Height and width of their pixels in micrometres, to resample them for the network to those of the
                training images; None: they meet it as they are.

        Returns:
            The prediction; for a list one for each image.

        Raises:
            CenetError: A file cannot be read, an image is of another kind than those of the training, or it cannot be
                resampled to their pixel size.
        """
        if isinstance(image, list | tuple):
            options: Any = {"uncertainty": uncertainty, "pixel_um": pixel_um}
            return [self(item, name=f"{name} {number}", **options) for number, item in enumerate(image)]
        pixels, name = to_pixels(image, name=name, expects=self.expects, channels=self.channels)
        prediction = self.predict_raw_and_calibrated(pixels, name=name, uncertainty=uncertainty, pixel_um=pixel_um)[1]
        return replace(prediction, unfamiliar=self.appearance.describe_unfamiliar(pixels) if self.appearance else None)

    def predict_raw_and_calibrated(
        self, image: NDArray[Any], *, name: str = "image", uncertainty: bool = False, pixel_um: PixelUm | None = None
    ) -> tuple[NDArray[np.float32], Prediction]:
        """The probabilities before calibration, `(maps, H, W)`, and the prediction after it."""
        found = self.predict_network_scale(image, name=name, uncertainty=uncertainty, pixel_um=pixel_um)
        if found is None:  # what the localiser does not find is nowhere
            raw, nowhere = np.zeros((self.maps, *image.shape[:2]), np.float32), np.zeros(image.shape[:2], np.float32)
            return raw, replace(
                self.calibrated(raw), uncertainty=Uncertainty(nowhere, nowhere) if uncertainty else None
            )
        maps, placement = found
        raw = placement.inverse(maps[: self.maps])
        unsure = Uncertainty(*placement.inverse(maps[self.maps :])) if uncertainty else None
        return raw, replace(
            self.calibrated(raw),
            box=placement.box,
            field_of_view_px=placement.diameter,
            uncertainty=unsure,
            post_processing=self.post_processing,
            windows=len(placement.windows),
            window_px=placement.windows.side,
        )

    def predict_raw(self, image: NDArray[Any], *, name: str = "image") -> NDArray[np.float32]:
        """The probabilities as the network gives them, `(maps, H, W)`."""
        return self.predict_raw_and_calibrated(image, name=name)[0]

    def calibrated(self, probabilities: NDArray[np.float32]) -> Prediction:
        """What to say of an image or a part of it with these uncalibrated probabilities, before post-processing."""
        after = calibrate(probabilities, self.calibration, softmax=self.softmax)
        return Prediction(after, self.thresholds, self.ordered)

    def find(self, image: NDArray[Any], *, name: str = "image") -> tuple[int, int] | None:
        """Row and column of the middle of the largest piece of foreground in the field of view; None without any."""
        from scipy.ndimage import find_objects, label

        pieces, number = label((self(image, name=name).mask > 0) & find_field_of_view(image, name=name))
        if not number:
            return None
        rows, columns = find_objects(pieces)[int(np.bincount(pieces.ravel())[1:].argmax())]
        return (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2

    def predict_network_scale(
        self, image: NDArray[Any], *, name: str = "image", uncertainty: bool = False, pixel_um: PixelUm | None = None
    ) -> tuple[NDArray[np.float32], SpatialTransform] | None:
        """The uncalibrated probabilities at the network's scale, `(maps, height, width)`, and the way back.

        With `uncertainty` two more maps follow: the total, and the disagreement of the views. None where the localiser
        does not find what to look at.
        """
        self._check_kind(image, name=name)
        if uncertainty:
            self._check_views()
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            raise CenetError(name, "some pixels are NaN or infinite", "replace them by numbers")
        centre = self.localiser.find(image, name=name) if self.localiser else None
        if self.localiser and centre is None:
            return None
        diameter = measure_diameter(find_field_of_view(image, name=name)) if self.geometry.needs_field_of_view else None
        zoom = self._find_zoom(image, pixel_um, name=name)
        shape = image.shape[0], image.shape[1]
        placement = self.geometry.for_image(shape, diameter=diameter, centre=centre, zoom=zoom)
        check_arrays(name, shape, (placement.windows.height, placement.windows.width), self.maps)
        answers = self._predict_windows(placement, image, name=name, uncertainty=uncertainty)
        return placement.windows.merge(answers), placement

    def predict_bands(
        self, image: PixelSource, *, name: str = "image", pixel_um: PixelUm | None = None
    ) -> Iterator[tuple[slice, Prediction]]:
        """Predict an image of which parts are read, band by band: to the bit what is predicted of it in memory.

        Masks are not post-processed, as that needs whole masks.

        Args:
            image: Its pixels, `(H, W, C)`.
            name: What errors call it.
            pixel_um: As for a call.

        Yields:
            Rows of the image, from the top down without gaps, and their prediction.

        Raises:
            CenetError: It is of another kind than those of the training, or the model needs all of an image at once.
        """
        self._check_kind(image, name=name)
        if self.ordered or self.geometry.around is not None:
            cause = "is too large to be read at once, as this model needs it"
            raise CenetError(name, cause, "make it smaller, or raise --max-pixels where the memory suffices")
        diameter = measure_large_diameter(image, name=name) if self.geometry.needs_field_of_view else None
        zoom = self._find_zoom(image, pixel_um, name=name, in_parts=True)
        placement = self.geometry.for_image((image.shape[0], image.shape[1]), diameter=diameter, zoom=zoom)
        bands = placement.windows.merge_bands(self._predict_windows(placement, image, name=name))
        for rows, raw in placement.inverse_bands(bands):
            yield rows, replace(self.calibrated(raw), field_of_view_px=diameter)

    def _find_zoom(
        self, image: PixelSource, pixel_um: PixelUm | None, *, name: str, in_parts: bool = False
    ) -> tuple[float, float]:
        """The factors to the pixel size of the training images, where an image is to be resampled to it."""
        if pixel_um is None:
            return 1.0, 1.0
        trained_um = check_matchable(name, self.geometry.resize_mode, self.pixel_um)
        return find_zoom(image.shape, pixel_um, trained_um, name=name, in_parts=in_parts)

    def _check_kind(self, image: PixelSource, *, name: str) -> None:
        """Refuse an image of another kind than those of the training."""
        kind = (image.shape[2], str(image.dtype)) if len(image.shape) == 3 else None
        if kind is None or (self.expects and kind != self.expects):
            has = f"{kind[0]} channel{'s' if kind[0] > 1 else ''} of {kind[1]}" if kind else f"the shape {image.shape}"
            channels, dtype = self.expects or ("C", "values")
            raise CenetError(
                name,
                f"has {has} where the network was trained on images (H, W, {channels}) of {dtype}",
                "convert it, or use a run that was trained on such images",
            )

    def _predict_windows(
        self, placement: SpatialTransform, image: PixelSource, *, name: str, uncertainty: bool = False
    ) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """Yield each window of an image with its maps."""
        predict_window = self._predict_window_and_uncertainty if uncertainty else self._predict_window
        for window, pixels in placement.iterate_windows(image):
            maps = predict_window(np.moveaxis(pixels, -1, 0))
            if not np.isfinite(maps).all():
                cause, remedy = "the network answers with NaN", "its weights diverged in training, train it anew"
                raise CenetError(name, cause, remedy)
            yield window, maps

    def _check_views(self) -> None:
        """Refuse to compare or average the views of an image, where the network knows only one."""
        if len(self.all_views) == 1:
            raise CenetError(
                "--tta and --uncertainty",
                "the network was trained without flips, so mirrored and turned views would mislead it",
                "leave them out; networks of a cross-validation give an uncertainty without views",
            )

    def _predict_window(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean probabilities over the views of one window."""
        answers = [undo_view(self.forward(augment_view(window, number)), number) for number in self.views]
        return np.asarray(np.mean(answers, axis=0), np.float32)

    def _predict_window_and_uncertainty(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same, followed by the total uncertainty and the disagreement of all views, one of them or all asked."""
        answers = {n: undo_view(self.forward(augment_view(window, n)), n) for n in self.all_views}
        mean = np.asarray(np.mean([answers[number] for number in self.views], axis=0), np.float32)
        calibrated = [calibrate(answer, self.calibration, softmax=self.softmax) for answer in answers.values()]
        unsure = estimate_uncertainty(calibrated, softmax=self.softmax)
        return np.concatenate([mean, [unsure.total, unsure.disagreement]])
