"""The verb that measures masks."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cenet.cli.options import ImageOptions, Overwrite
from cenet.cli.paths import check_file
from cenet.errors import CenetError
from cenet.safe_text import print_line


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Measure masks: areas, vessels, disc, layers or lungs.

    The table has a row for each image.

    Examples:
      cenet measure masks --output areas.csv
      cenet measure masks --task vessels --images photographs --output vessels.csv
      cenet measure masks --task lung --pixel-size 0.7mm --output lungs.csv
    """

    mask: Annotated[Positional[tuple[Path, ...]], arg(metavar="MASK [MASK ...]", help_behavior_hint="")]
    """masks, and folders of them, such as `cenet predict` writes"""
    output: Annotated[Path, arg(metavar="FILE.csv")] = Path("measurements.csv")
    """the table"""
    task: Annotated[str, arg(metavar="TASK")] = "folder"
    """what the masks show, see `cenet tasks`; folder: areas alone"""
    images: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: none)")] = None
    """images of the masks, by name: for the size of a pixel, and of vessels for the field of view"""
    pixel_size: Annotated[str | None, arg(metavar="SIZE", help_behavior_hint="(default: as files state it)")] = None
    """size of a pixel with its unit: 7.5um, 0.7mm, or height x width, 3.87x11.5um"""
    overwrite: Overwrite = False
    """replace a file that is there"""
    reading: ImageOptions = field(default_factory=ImageOptions)

    def execute(self) -> None:
        """Measure them, and write the table."""
        for path in [*self.mask, *([self.images] if self.images else [])]:
            check_file(path)
        if self.output.suffix.lower() != ".csv":
            raise CenetError(self.output, "is not the name of a CSV file", "let it end in .csv")
        if self.output.exists() and not self.overwrite:
            raise CenetError(self.output, "already exists", "choose another --output, or add --overwrite")
        from cenet.data.io.files import check_writable, write_text
        from cenet.datasets.measure_files import measure_files
        from cenet.datasets.resolve import resolve_dataset
        from cenet.measurements import format_csv, parse_pixel_size

        kind = resolve_dataset(self.task).measured_as
        pixel_um = parse_pixel_size(self.pixel_size) if self.pixel_size else None
        check_writable(self.output.parent)
        rows = measure_files(self.mask, kind, images=self.images, pixel_um=pixel_um)
        if kind == "vessels" and self.images is None:
            print_line("note: densities are left out, as the field of view is not known; add --images", file=sys.stderr)
        write_text(self.output, format_csv(rows))
        print_line(f"measurements: {self.output}")
