"""The run folder: the only thing that one verb hands to another. Strict, atomic, checksummed."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.data.appearance import ImageAppearance
from cenet.data.io.files import atomic_write, hash_file, write_text
from cenet.data.splits import PARTS, Part, Split
from cenet.errors import CenetError
from cenet.inference.operating_point import choose_operating_point
from cenet.inference.run_folder import LOCALISER, METADATA, METADATA_LOCK, RECIPE, SPLIT, WEIGHTS, make_empty_folder
from cenet.inference.run_metadata import RunMetadata
from cenet.models.model_info import MODEL, ModelInfo
from cenet.safe_text import print_line

if TYPE_CHECKING:  # imported when they are used, so that a folder is refused before torch is there
    from torch import nn

    from cenet.inference.predictor import Predictor
    from cenet.networks import Network, NetworkFactory


class Run:
    """A run folder, opened strictly: what is missing, corrupted or foreign is an error.

    Args:
        path: The folder.
        network: The class of the run's network, where it is one of your own; a run folder holds its name, not its code.

    Attributes:
        facts: The content of `run.json`.
        recipe: The content of `recipe.json`.
        model: The content of `model.json`, which a released model has; else None.
    """

    def __init__(self, path: str | Path, *, network: "NetworkFactory | None" = None) -> None:
        self.path, self.own_network = Path(path), network
        if not self.path.is_dir():
            raise CenetError(self.path, "is no run folder", "name one that `cenet train` has written")
        for name in (METADATA, RECIPE):
            if not (self.path / name).is_file():
                remedy = "name a run folder that `cenet train` has written"
                raise CenetError(self.path, f"{name} is missing or cannot be read", remedy)
        self.facts = RunMetadata.load(self.path / METADATA)
        self.recipe = load_recipe(str(self.path / RECIPE))
        try:
            self.facts.check_fits(self.recipe)
        except ValueError as error:
            cause = f"does not fit {RECIPE} beside it: {error}"
            raise CenetError(self.path / METADATA, cause, "copy the run folder again") from error
        self.model = ModelInfo.load(self.path) if (self.path / MODEL).is_file() else None
        if self.model is not None and self.model.weights_sha256 != self.facts.weights_sha256:
            raise CenetError(self.path / MODEL, f"does not fit {METADATA} beside it", "copy the run folder again")

    @classmethod
    def create(
        cls,
        path: str | Path,
        recipe: Recipe,
        facts: RunMetadata,
        *,
        split: Split | None = None,
        network: "NetworkFactory | None" = None,
    ) -> "Run":
        """Make a new run folder; one that holds something already is left alone.

        `run.json` comes first: what is beside it was written by cenet, as `is_unstarted` of
        `cenet.inference.run_folder` needs to know.

        Raises:
            CenetError: The folder already exists or cannot be written.
        """
        path = Path(path)
        make_empty_folder(path)
        write_text(path / METADATA, facts.model_dump_json(indent=1))
        if split is not None:
            write_text(path / SPLIT, split.to_json())
        write_text(path / RECIPE, recipe.model_dump_json(indent=1))  # last: the folder is whole
        return cls(path, network=network)

    @property
    def split(self) -> Split | None:
        """Who was trained on, or None for an imported network."""
        path = self.path / SPLIT
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
        with FileLock(self.path / METADATA_LOCK):
            facts = RunMetadata.load(self.path / METADATA)
            self.facts = facts.model_copy(update=changes(facts))
            write_text(self.path / METADATA, self.facts.model_dump_json(indent=1))

    def save_weights(self, network: "nn.Module", **changes: Any) -> None:
        """Write `weights.safetensors`, and the facts that belong to it."""
        import torch
        from safetensors.torch import save

        path = self.path / WEIGHTS
        # Copies, as a network may have a tensor under several names, which safetensors refuses.
        state = {
            name: value.clone(memory_format=torch.contiguous_format) for name, value in network.state_dict().items()
        }
        with atomic_write(path) as file:
            file.write(save(state))
        self.update(weights_sha256=hash_file(path), **changes)

    def network(self) -> "Network":
        """The network with its trained weights, in evaluation mode.

        Raises:
            CenetError: The weights are missing, corrupted, or another network's.
        """
        path = self.path / WEIGHTS
        if not path.is_file():
            raise CenetError(path, "is missing", "the run has not finished its first epoch, or was copied without it")
        if hash_file(path) != self.facts.weights_sha256:
            raise CenetError(path, "is corrupted or belongs to another run", "copy the run folder again")
        from cenet.networks.pretrained import read_tensors

        network = self.build_network()
        try:
            network.load_state_dict(read_tensors(path))
        except RuntimeError as error:
            raise CenetError(path, "does not fit recipe.json beside it", "copy the run folder again") from error
        return network.eval()

    def build_network(self) -> "Network":
        """The network with random weights.

        Raises:
            CenetError: It is one of the user's own, which was not given.
        """
        from cenet.networks import NETWORKS, build_network
        from cenet.networks.registry import name_network

        name = name_network(self.own_network) if self.own_network is not None else self.recipe.network
        if self.recipe.network in NETWORKS and name != self.recipe.network:
            cause = f"its network is {self.recipe.network}, and not {name}, which was passed as network="
            raise CenetError(self.path, cause, "leave it out")
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

    def predictor(self, *, device: str = "cpu", tta: bool = False) -> "Predictor":
        """Everything that an image needs to become a mask, rebuilt from the folder alone."""
        from cenet.inference.predictor import Predictor

        facts, views = self.facts, len(self.recipe.views) if tta else 1
        point = choose_operating_point(facts.operating_points, views)
        if facts.finished and point.thresholds and point.views != views:
            print_line(
                f"note: {self.path}: the threshold was chosen for one view of an image, not for the mean of {views} "
                "(train with --validate-tta true to choose it for both)",
                file=sys.stderr,
            )
        return Predictor(
            self.network(),
            self.recipe,
            thresholds=point.thresholds,
            calibration=point.calibration,
            post_processing=point.post_processing,
            expects=(facts.in_channels, facts.dtype),
            device=device,
            tta=tta,
            localiser=self.localiser(device=device),
            appearance=ImageAppearance.load(self.path),
            pixel_um=facts.pixel_um,
            channels=facts.channels,
        )

    def localiser(self, *, device: str = "cpu") -> "Predictor | None":
        """What finds where the run looks, for a recipe with `roi_fraction`.

        Raises:
            CenetError: The localiser is missing, corrupted, or would need a localiser itself.
        """
        run = self.localiser_run()
        return run.predictor(device=device) if run is not None else None

    def localiser_run(self) -> "Run | None":
        """The run inside this one's folder that finds where it looks; None where it looks at whole images.

        Raises:
            CenetError: The localiser is missing, corrupted, or would need a localiser itself.
        """
        if self.recipe.roi_fraction is None:
            return None
        localiser = Run(self.path / LOCALISER, network=self.own_network)
        if localiser.recipe.roi_fraction is not None:
            raise CenetError(localiser.path, "a localiser must see whole images", "copy the run folder again")
        return localiser


def format_thresholds(thresholds: Sequence[float]) -> str:
    """Write thresholds for a reader, in three digits.

    >>> format_thresholds((0.433981,)), format_thresholds((0.5, 0.42))
    ('threshold 0.434', 'thresholds 0.5, 0.42')
    """
    name = "threshold" if len(thresholds) == 1 else "thresholds"
    return f"{name} {', '.join(f'{threshold:.3g}' for threshold in thresholds)}"
