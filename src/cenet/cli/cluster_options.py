"""Work that several machines share: the options of `cenet predict`, and the verb that joins what they wrote."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from cenet.cli.options import Overwrite
from cenet.cli.paths import check_folder
from cenet.errors import CenetError
from cenet.safe_text import print_line

if TYPE_CHECKING:
    from cenet.inference.ray_predict import RayOptions
    from cenet.inference.shards import Shard


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Several machines."""

    shard: Annotated[str | None, arg(metavar="K/N", help_behavior_hint="(default: all images)")] = None
    """predict the K-th of N parts of the images, K from 1; `cenet merge` joins the parts"""

    ray: Annotated[str | None, arg(metavar="local|ADDRESS", help_behavior_hint="(default: no)")] = None
    """predict by the processes of Ray: on this computer, or of the cluster at an address (extra: ray)"""
    ray_workers: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: one for each core or GPU)")] = (
        None
    )
    """with --ray: processes that predict"""

    def parse_ray(self, *, threads: int | None, is_plain: bool) -> "RayOptions | None":
        """The Ray cluster that is asked for.

        Args:
            threads: Of each process.
            is_plain: Whether nothing else is asked for that one process must do.

        Raises:
            CenetError: It cannot be used.
        """
        if self.ray is None:
            if self.ray_workers is not None:
                raise CenetError("--ray-workers", "is for --ray", "add --ray local, or leave it out")
            return None
        if not is_plain:
            cause = "predicts whole folders into PNG masks"
            raise CenetError(f"--ray {self.ray}", cause, "leave out --shard, --plugin and --format, and name a folder")
        if self.ray_workers is not None and self.ray_workers < 1:
            raise CenetError(f"--ray-workers {self.ray_workers}", "is no number of processes", "give 1 or more")
        from cenet.inference.ray_predict import RayOptions, check_ray_installed

        check_ray_installed()
        return RayOptions(self.ray, self.ray_workers, threads or 1)

    def parse_shard(self) -> "Shard | None":
        """The shard that is asked for.

        Raises:
            CenetError: It is none.
        """
        from cenet.inference.shards import Shard

        return None if self.shard is None else Shard.parse(self.shard)


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Join the shards of `cenet predict --shard`, and check them.

    Nothing may be missing or doubled, and every file is compared with its checksum.

    Examples:
      cenet merge masks
    """

    folder: Annotated[Positional[Path], arg(metavar="DIR", help_behavior_hint="")]
    """the --output of every shard"""
    overwrite: Overwrite = False
    """replace a predictions.csv that is there and that cenet did not write"""

    def execute(self) -> None:
        """Check the shards, and write their list."""
        check_folder(self.folder)
        from cenet.inference.merge_shards import LIST, merge_shards

        for remark in merge_shards(self.folder, overwrite=self.overwrite):
            print_line(f"note: {remark}", file=sys.stderr)
        print_line(f"list: {self.folder / LIST}")
