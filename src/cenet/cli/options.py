"""The options that several verbs share, as dataclasses; each is one group of the help."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from cenet.errors import CenetError

if TYPE_CHECKING:
    from cenet.inference.device import DeviceConfig, DeviceRequest
    from cenet.inference.input_options import InputOptions

Plugin = Annotated[str | None, arg(metavar="MODULE|FILE.py", help_behavior_hint="(default: none)")]
Flag = Annotated[bool, arg(help_behavior_hint="(default: no)")]
LoggerOption = Annotated[
    Literal["tensorboard", "mlflow"] | None, arg(metavar="{tensorboard,mlflow}", help_behavior_hint="(default: none)")
]
Overwrite = Annotated[bool, arg(help_behavior_hint="(default: refuse to)")]


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where it is computed."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """device; auto: the fastest there is"""
    threads: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: one for each core)")] = None
    """threads of the processor; fewer leave cores to other programs"""

    def resolve(self) -> "DeviceConfig":
        """Choose what was left to `auto`."""
        from cenet.inference.device import resolve_device

        return resolve_device(device=self.device)


@dataclass(frozen=True, kw_only=True)
class TrainingDeviceOptions(DeviceOptions):
    """Where it is computed, and how."""

    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """precision of the computation; auto: the fastest that the device computes well"""
    workers: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: what suits the machine)")] = None
    """processes that load images; 0: the main process"""
    memory_format: Literal["auto", "channels-last", "contiguous"] = "auto"
    """layout of images in memory"""
    deterministic: Flag = False
    """use only algorithms that give the same result every time"""

    def request(self) -> "DeviceRequest":
        """What is asked for, in which what was left to `auto` is chosen when it is used."""
        from cenet.inference.device import DeviceRequest

        return DeviceRequest(self.device, self.precision, self.workers, self.memory_format)

    def resolve(self) -> "DeviceConfig":
        """Choose what was left to `auto`."""
        from cenet.inference.device import to_device_config

        return to_device_config(self.request())


@dataclass(frozen=True, kw_only=True)
class ClusterDeviceOptions(TrainingDeviceOptions):
    """Where it is computed, and how."""

    devices: Annotated[int, arg(metavar="N")] = 1
    """devices of each computer that train together, each with its share of a batch"""
    nodes: Annotated[int, arg(metavar="N")] = 1
    """computers that train together; the command is started on each, by torchrun or srun"""

    @property
    def is_shared(self) -> bool:
        """Whether several processes train together."""
        return (self.devices, self.nodes) != (1, 1)

    def request(self) -> "DeviceRequest":
        """What is asked for, in which what was left to `auto` is chosen when it is used."""
        return replace(super().request(), devices=self.devices, nodes=self.nodes)


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """How images are read."""

    max_pixels: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: 80 million)")] = None
    """read images up to this number of pixels (`cenet predict` reads larger TIFFs in parts)"""


@dataclass(frozen=True, kw_only=True)
class PredictedImageOptions(ImageOptions):
    """How images are read."""

    match_pixel_size: Flag = False
    """resample each image for the network to the pixel size of the training images (its mask keeps the image's size)"""
    tile_px: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: the run's)")] = None
    """predict larger images in windows of N x N px: the smaller, the less memory; masks can differ a little"""
    channels: Annotated[
        str | None, arg(metavar="A,B,...", help_behavior_hint="(default: by the names in training)")
    ] = None
    """channels of each image that the network gets, in the order of the training: names, or numbers from 1"""

    def to_input_options(self, pixel_um: tuple[float, float] | None) -> "InputOptions":
        """How images are read.

        Args:
            pixel_um: Height and width of their pixels in micrometres, if they were stated.

        Raises:
            CenetError: A channel is empty, or named twice.
        """
        from cenet.inference.input_options import InputOptions

        names = tuple(name.strip() for name in self.channels.split(",")) if self.channels is not None else ()
        if not all(names) or len(set(names)) < len(names):
            raise CenetError(f"--channels {self.channels}", "is no list of channels", "write it as DAPI,GFP or 1,3")
        return InputOptions(self.match_pixel_size, pixel_um, self.tile_px, names)


@dataclass(frozen=True, kw_only=True)
class LabelledImageOptions(ImageOptions):
    """How images and labels are read."""

    group_pattern: Annotated[str | None, arg(metavar="REGEX", help_behavior_hint="(default: as the task says)")] = None
    """regular expression that finds the patient (eye, volume) in an image's name"""
    ignore_value: Annotated[int | None, arg(metavar="VALUE", help_behavior_hint="(default: none)")] = None
    """label value of unannotated pixels"""


@dataclass(frozen=True, kw_only=True)
class ScoringOptions:
    """What is scored."""

    protocol: Literal["region", "frame", "authors"] = "region"
    """what is scored: the pixels of the region of interest, of the whole frame, or what the authors' script scores"""
    tta: Flag = False
    """average the predictions of the flips and quarter turns of training (up to eight)"""
