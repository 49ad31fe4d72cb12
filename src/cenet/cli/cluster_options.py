"""Work that several machines share: the options of `cenet predict`, and the verb that joins what they wrote."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from cenet.cli.options import Overwrite
from cenet.cli.paths import check_folder
from cenet.safe_text import print_line

if TYPE_CHECKING:
    from cenet.inference.shards import Shard


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Several machines."""

    shard: Annotated[str | None, arg(metavar="K/N", help_behavior_hint="(default: all images)")] = None
    """predict the K-th of N parts of the images, K from 1; `cenet merge` joins the parts"""

    def parse_shard(self) -> "Shard | None":
        """The shard that is asked for.

        Raises:
            CenetError: It is none.
        """
        from cenet.inference.shards import Shard

        return None if self.shard is None else Shard.parse(self.shard)


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Join the shards of `cenet predict --shard`: check that nothing is missing or doubled.

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
