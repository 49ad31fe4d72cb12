"""The verb that writes a run as a model file for other programs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from cenet.cli.options import Flag, ImageOptions, Overwrite, Plugin
from cenet.cli.paths import check_folder, find_run
from cenet.safe_text import format_bytes, print_line


@dataclass(frozen=True, kw_only=True)
class ExportVerb:
    """Write a run as ONNX or OpenVINO file. Needs cenet[export].

    - The file predicts without PyTorch.
    - It is compared with the run on images first; if it differs, it is not kept.

    Examples:
      cenet export vessels-open --output vessels.onnx
      cenet export runs/drive --output drive.xml --precision int8
      cenet predict vessels.onnx eye.png --output masks
    """

    run: Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
    """a released model (see `cenet models`), or the run folder"""
    output: Annotated[Path, arg(metavar="FILE", help_behavior_hint="(required)")]
    """file to write: NAME.onnx; or NAME.xml for OpenVINO, with its weights in NAME.bin"""
    precision: Literal["fp32", "int8"] = "fp32"
    """in which it computes; int8 is faster, less exact, and for OpenVINO"""
    data: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: where they were)")] = None
    """the images that the run was trained on; its validation part is compared"""
    calibration: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: the run's own)")] = None
    """folder of other images to compare, and to calibrate int8 on"""
    hub: Flag = False
    """also write README.md, config.json, model.safetensors for Hugging Face, and with .onnx rdf.yaml for bioimage.io"""
    overwrite: Overwrite = False
    """replace files that are there and that `cenet export` did not write"""
    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""
    images: ImageOptions = field(default_factory=ImageOptions)

    def execute(self) -> None:
        """Write it, and print what was compared and what it leaves to others."""
        run = find_run(self.run)
        for folder in (self.data, self.calibration):
            if folder is not None:
                check_folder(folder)
        from cenet.exporting.agreement import format_agreement
        from cenet.exporting.export import export

        result = export(
            run,
            self.output,
            precision=self.precision,
            data=self.data,
            calibration=self.calibration,
            hub=self.hub,
            overwrite=self.overwrite,
        )
        print_line(format_agreement(result.agreement))
        for step in result.info.outside:
            print_line(f"not in the graph: {step}")
        for file in result.files:
            print_line(f"written: {file} ({format_bytes(file.stat().st_size)})")
