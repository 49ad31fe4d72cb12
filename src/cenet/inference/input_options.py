"""How the images of a prediction meet the network, where the user asks for more than the run says."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cenet.config.recipe import validate_recipe
from cenet.data.io.outputs import Note
from cenet.data.io.pixel_size import PixelSize, format_pixel_size, read_pixel_size
from cenet.errors import CenetError
from cenet.inference.compare_pixel_size import check_matchable

if TYPE_CHECKING:
    from cenet.inference.ensemble import LoadedPredictor, OpenedModel


@dataclass(frozen=True)
class InputOptions:
    """How the images of a prediction meet the network.

    Args:
        match_pixel_size: Resample each image for the network to the pixel size of the training images.
        pixel_um: Height and width of the images' pixels in micrometres, in place of what their files state.
        tile_px: The side of the windows in which larger images are predicted, in place of the recipe's.
        channels: Which channels of each image the network gets, in the order of those of the training: names that the
            file states, or numbers from 1; empty for those that are called as in the training.

    Raises:
        CenetError: A size is none, windows are too small, or channels are a text.
    """

    match_pixel_size: bool = False
    pixel_um: tuple[float, float] | None = None
    tile_px: int | None = None
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.channels, str):
            raise CenetError(
                f"channels {self.channels!r}", "is one text", f"give a tuple, such as ({self.channels!r},)"
            )
        if self.tile_px is not None:
            validate_recipe({"name": "windows", "tile_px": self.tile_px}, origin="options")
        if self.pixel_um is not None and not _is_size(self.pixel_um):
            raise CenetError(f"pixel_um {self.pixel_um!r}", "is no size", "give height and width in micrometres")

    @property
    def settings(self) -> Note:
        """What predictions of images that were read otherwise differ by."""
        stated = format_pixel_size(self.pixel_um) if self.pixel_um else True
        matched = stated if self.match_pixel_size else False
        tile_px, channels = str(self.tile_px or ""), ", ".join(self.channels)
        return {"match-pixel-size": matched, "tile-px": tile_px, "channels": channels}

    def check(self, run: "OpenedModel") -> None:
        """Refuse what a run does not allow, before any work.

        Args:
            run: What predicts.

        Raises:
            CenetError: It has one size for all images, or does not know the pixel size of its training images; a recipe
                cannot have such windows; or it was trained on another number of channels.
        """
        if self.tile_px is not None:
            run.recipe.replace(tile_px=self.tile_px)
        if self.channels and len(self.channels) != run.facts.in_channels:
            cause = f"names {len(self.channels)} channels where the run was trained on {run.facts.in_channels}"
            raise CenetError(f"--channels {','.join(self.channels)}", cause, "name one for each of the run's")
        if self.match_pixel_size:
            check_matchable(run.path, run.recipe.resize_mode, run.facts.pixel_um)

    def limit_windows(self, predictor: "LoadedPredictor") -> "LoadedPredictor":
        """Return what sees larger images in the windows that are asked for; the given predictor stays as it is.

        Args:
            predictor: What predicts.
        """
        return predictor if self.tile_px is None else predictor.with_windows(self.tile_px)

    def find_pixel_um(self, path: Path | None, *, name: str) -> tuple[float, float] | None:
        """Height and width of an image's pixels in micrometres; None where they need not be known.

        Args:
            path: The image's file, where it has one.
            name: What errors call it.

        Raises:
            CenetError: They are needed, and not known.
        """
        if not self.match_pixel_size:
            return None
        if self.pixel_um is not None:
            return self.pixel_um
        size: PixelSize | None = read_pixel_size(path) if path is not None and path.is_file() else None
        if size is None:
            cause = "the size of its pixels is not known, so it cannot be matched to that of the training images"
            raise CenetError(name, cause, "state it with --pixel-size (in Python pixel_um), or do not match it")
        return size.um


def _is_size(sides: object) -> bool:
    """Whether something is the height and the width of a pixel."""
    if not isinstance(sides, tuple | list) or len(sides) != 2:
        return False
    return all(isinstance(side, int | float) and 0 < side < math.inf for side in sides)


def describe_matched(own_um: tuple[float, float], trained_um: tuple[float, float] | None) -> str:
    """Say that an image was resampled to the pixel size of the training images.

    Args:
        own_um: Height and width of its pixels in micrometres.
        trained_um: Those of the training images.

    >>> describe_matched((5, 5), (7.5, 7.5))
    'was resampled for the network from pixels of 5 µm to those of the training images, 7.5 µm'
    """
    trained = format_pixel_size(trained_um) if trained_um else "not known"
    return (
        f"was resampled for the network from pixels of {format_pixel_size(own_um)} to those of the training images, "
        f"{trained}"
    )


def note_pixel_size(pixel_um: tuple[float, float] | None) -> Note:
    """What is noted of an image that was resampled to the pixel size of the training images: its own.

    >>> note_pixel_size((5, 7.5)), note_pixel_size(None)
    ({'pixel_um': '5 x 7.5'}, {})
    """
    return {} if pixel_um is None else {"pixel_um": " x ".join(f"{side:g}" for side in pixel_um)}


PLAIN_INPUT = InputOptions()
