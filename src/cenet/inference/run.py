"""The run folder: the only thing that one verb hands to another. Strict, atomic, checksummed."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import save
from torch import nn

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.data.io.files import atomic_write, write_text
from cenet.data.labels.detect import LabelEncoding
from cenet.data.splits import PARTS, Part, Split
from cenet.errors import CenetError
from cenet.inference.predictor import Predictor
from cenet.networks import NETWORKS, Network, NetworkFactory, build_network
from cenet.networks.pretrained import read_tensors, sha256

LOCALISER = "localiser"  # the run in a run folder that finds where to look


class RunMetadata(BaseModel):
    """What a run knows beside its recipe, kept in `run.json`.

    Args:
        format: Of this file.
        command: What made the run.
        started_from: What the weights were before training.
        seen_in_earlier_training: Fingerprints of the images seen by the earlier run that the weights started from.
        in_channels: Channels of its images.
        dtype: Type of their values; others are refused.
        value_range: The image values that count as black and white.
        classes: Names of the foreground classes.
        labels: How its label files were read; None for an imported network.
        shares: Of the pixels of the training labels, for each foreground class (a nested one with all inside it).
        data: The folder it was trained on, so that `evaluate` finds it again.
        group_pattern: The pattern that found the group in an image's name.
        precision: How it is computed, so that a training is resumed as it was started; None for an imported network.
        precision_reason: Why that precision.
        memory_format: Likewise.
        deterministic: Likewise.
        custom_loss: The name of the user's own loss, which a resumed training needs again; None for the recipe's.
        custom_augmentation: Likewise, of an augmentation that came after the recipe's.
        epoch: The epoch of the weights, chosen by validation Dice; None until there is one.
        validation_dice: Its Dice on the validation part.
        calibration: (scale, bias) of each sigmoid map, or of all softmax maps, fitted on the validation part.
        thresholds: Chosen on the validation part for each sigmoid map, after calibration.
        test_scored: How often its test part was scored.
        weights_sha256: Of `weights.safetensors`.
        finished: Whether training came to its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[3] = 3
    command: str
    started_from: str
    seen_in_earlier_training: tuple[str, ...] = ()
    in_channels: int
    dtype: str = "uint8"
    value_range: tuple[float, float] = (0.0, 255.0)
    classes: tuple[str, ...] = ("foreground",)
    labels: LabelEncoding | None = None
    shares: tuple[float, ...] = ()
    data: str | None = None
    group_pattern: str | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None
    precision_reason: str | None = None
    memory_format: Literal["channels-last", "contiguous"] | None = None
    deterministic: bool | None = None
    custom_loss: str | None = None
    custom_augmentation: str | None = None
    epoch: int | None = None
    validation_dice: float | None = None
    calibration: tuple[tuple[float, float], ...] = ()
    thresholds: tuple[float, ...] = ()
    test_scored: int = 0
    weights_sha256: str | None = None
    finished: bool = False


class Run:
    """A run folder, opened strictly: what is missing, corrupted or foreign is an error.

    Args:
        path: The folder.
        network: The class of the run's network, where it is one of your own; a run folder holds its name, not its code.
    """

    def __init__(self, path: str | Path, *, network: NetworkFactory | None = None) -> None:
        self.path, self.own_network = Path(path), network
        if not self.path.is_dir():
            raise CenetError(self.path, "is no run folder", "name one that `cenet train` has written")
        self.facts = self._facts()
        self._read("recipe.json")
        self.recipe = load_recipe(str(self.path / "recipe.json"))

    @classmethod
    def create(
        cls,
        path: str | Path,
        recipe: Recipe,
        facts: RunMetadata,
        *,
        split: Split | None = None,
        network: NetworkFactory | None = None,
    ) -> "Run":
        """Make a new run folder; one that holds something already is left alone.

        Raises:
            CenetError: The folder already exists or cannot be written.
        """
        path = Path(path)
        check_not_occupied(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CenetError(path, f"cannot be made ({error.strerror})", "choose another --output") from error
        write_text(path / "recipe.json", recipe.model_dump_json(indent=1))
        if split is not None:
            write_text(path / "splits.json", split.to_json())
        write_text(path / "run.json", facts.model_dump_json(indent=1))
        return cls(path, network=network)

    def _facts(self) -> RunMetadata:
        try:
            return RunMetadata.model_validate_json(self._read("run.json"))
        except ValidationError as error:
            raise CenetError(
                self.path / "run.json", "is not what cenet writes", "name a run folder that is whole"
            ) from error

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CenetError(
                self.path, f"{name} is missing or cannot be read", "name a run folder that `cenet train` has written"
            ) from error

    @property
    def split(self) -> Split | None:
        """Who was trained on, or None for an imported network."""
        path = self.path / "splits.json"
        return Split.from_json(path) if path.exists() else None

    def part_of(self, fingerprint: str) -> Part | None:
        """The part in which the run, or one that it started from, has seen these pixels, under whatever name."""
        own = split.part_of(fingerprint) if (split := self.split) else None
        return own or ("train" if fingerprint in self.facts.seen_in_earlier_training else None)

    @property
    def seen_in_training(self) -> set[str]:
        """Fingerprints of all images that influenced the weights, the epoch or the thresholds."""
        split = self.split
        own = [split.fingerprints[name] for part in PARTS[:2] for name in split.parts[part]] if split else []
        return {*self.facts.seen_in_earlier_training, *own}

    def update(self, **changes: Any) -> None:
        """Change facts, in memory and on disk; what another process has changed meanwhile is kept."""
        self._change(lambda _: changes)

    def count_test(self) -> int:
        """Count one more scoring of the test part, and return how many there were."""
        self._change(lambda facts: {"test_scored": facts.test_scored + 1})
        return self.facts.test_scored

    def _change(self, changes: Callable[[RunMetadata], dict[str, Any]]) -> None:
        with FileLock(self.path / ".facts.lock"):
            facts = self._facts()
            self.facts = facts.model_copy(update=changes(facts))
            write_text(self.path / "run.json", self.facts.model_dump_json(indent=1))

    def save_weights(self, network: nn.Module, **changes: Any) -> None:
        """Write `weights.safetensors`, and the facts that belong to it."""
        path = self.path / "weights.safetensors"
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        with atomic_write(path) as file:
            file.write(save(state))
        self.update(weights_sha256=sha256(path), **changes)

    def network(self) -> Network:
        """The network with its trained weights, in evaluation mode.

        Raises:
            CenetError: The weights are missing, corrupted, or another network's.
        """
        path = self.path / "weights.safetensors"
        if not path.exists():
            raise CenetError(path, "is missing", "the run has not finished its first epoch, or was copied without it")
        if sha256(path) != self.facts.weights_sha256:
            raise CenetError(path, "is corrupted or belongs to another run", "copy the run folder again")
        network = self.build_network()
        try:
            network.load_state_dict(read_tensors(path))
        except RuntimeError as error:
            raise CenetError(path, "does not fit recipe.json beside it", "copy the run folder again") from error
        return network.eval()

    def build_network(self) -> Network:
        """The network with random weights.

        Raises:
            CenetError: It is one of the user's own, which was not given.
        """
        if self.own_network is None and self.recipe.network not in NETWORKS:
            raise CenetError(
                self.path,
                f"its network is {self.recipe.network}, whose code a run folder does not hold",
                "load the code with --plugin, or in Python pass the class as network=",
            )
        return build_network(
            self.recipe,
            in_channels=self.facts.in_channels,
            value_range=self.facts.value_range,
            network=self.own_network,
        )

    def predictor(self, *, device: str = "cpu", tta: bool = False) -> Predictor:
        """Everything that an image needs to become a mask, rebuilt from the folder alone."""
        facts = self.facts
        return Predictor(
            self.network(),
            self.recipe,
            thresholds=facts.thresholds,
            calibration=facts.calibration,
            expects=(facts.in_channels, facts.dtype),
            device=device,
            tta=tta,
            localiser=self.localiser(device=device),
        )

    def localiser(self, *, device: str = "cpu") -> Predictor | None:
        """What finds where the run looks, for a recipe with `roi_fraction`."""
        if self.recipe.roi_fraction is None:
            return None
        return Run(self.path / LOCALISER, network=self.own_network).predictor(device=device)


def check_not_occupied(path: Path) -> None:
    """Refuse a place for a new run that holds something.

    Raises:
        CenetError: It does.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        remedy = "choose another --output"
        if any(path.glob("checkpoints/epoch-*-*.ckpt")):
            remedy += f", or resume it with --resume {path}"
        elif (path / "run.json").exists() and not (path / "weights.safetensors").exists():
            remedy += ", or delete this run, which has no weights yet"
        raise CenetError(path, "already exists", remedy)


def format_numbers(numbers: Iterable[float]) -> str:
    """Numbers for a reader.

    >>> format_numbers((0.5, 0.42))
    '0.5, 0.42'
    """
    return ", ".join(f"{number:g}" for number in numbers)
