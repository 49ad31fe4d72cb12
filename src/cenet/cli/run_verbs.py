"""The verbs about trained runs: score, compare, report and predict."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from cenet.cli.cluster_options import ClusterOptions
from cenet.cli.options import (
    DeviceOptions,
    Flag,
    LabelledImageOptions,
    Overwrite,
    Plugin,
    PredictedImageOptions,
    ScoringOptions,
)
from cenet.cli.paths import check_file, check_folder, find_model_or_run, find_runs
from cenet.errors import CenetError
from cenet.safe_text import print_line

if TYPE_CHECKING:
    from cenet.inference.trust import MeasurementOptions

RunArgument = Annotated[Positional[str], arg(metavar="RUN", help_behavior_hint="")]
RunsArgument = Annotated[Positional[tuple[str, ...]], arg(metavar="RUN [RUN ...]", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a run on labelled images.

    Examples:
      cenet evaluate runs/drive
      cenet evaluate runs/drive --data CHASE --task chase --tta
      cenet evaluate eyes.onnx --data photographs
    """

    run: RunArgument
    """a released model (see `cenet models`), the run folder, or with --data a file of `cenet export`"""
    data: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: the run's own)")] = None
    """other labelled images"""
    task: Annotated[str | None, arg(metavar="TASK", help_behavior_hint="(default: the run's)")] = None
    """layout of --data, see `cenet tasks`"""
    split: Annotated[
        Literal["train", "validation", "test", "all"] | None,
        arg(metavar="{train,validation,test,all}", help_behavior_hint="(default: test, or all of other --data)"),
    ] = None
    """part that is scored"""
    splits: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: the run's own)")] = None
    """splits.json of another run, to score its test part"""
    output: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: in the run)")] = None
    """folder for the report"""
    overwrite: Overwrite = False
    """replace files that are there and that no evaluation wrote"""
    overlays: Annotated[int, arg(metavar="N")] = 3
    """draw overlays of the N worst images"""
    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""
    scoring: ScoringOptions = field(default_factory=ScoringOptions)
    images: LabelledImageOptions = field(default_factory=LabelledImageOptions)
    machine: DeviceOptions = field(default_factory=DeviceOptions)

    def execute(self) -> None:
        """Score it, and print the scores."""
        run = find_model_or_run(self.run)
        if self.data:
            check_folder(self.data)
        if self.splits:
            check_file(self.splits)
        if self.task:
            from cenet.datasets.resolve import resolve_dataset

            resolve_dataset(self.task)
        if self.images.ignore_value is not None and not self.data:
            raise CenetError(
                "--ignore-value",
                "a run's own labels are read as in its training",
                "leave it out, or name other --data",
            )
        from cenet.evaluation.evaluate import evaluate
        from cenet.reporting.evaluation_text import format_evaluation
        from cenet.reporting.files import write_evaluation_files

        report = evaluate(
            run,
            data=self.data,
            task=self.task,
            part=self.split,
            splits=self.splits,
            protocol=self.scoring.protocol,
            tta=self.scoring.tta,
            output=self.output,
            overwrite=self.overwrite,
            overlays=self.overlays,
            device=self.machine.device,
            group_pattern=self.images.group_pattern,
            ignore_value=self.images.ignore_value,
        )
        write_evaluation_files(report, overlays=self.overlays, overwrite=self.overwrite)
        print(f"{format_evaluation(report)}\n")
        print_line(f"report: {report.folder}")
        page = shlex.quote(f"{report.runs[0].name}.html")
        print_line(f"next: cenet report {shlex.quote(str(report.folder))} --output {page}")


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Compare scored runs: intervals, paired tests, cost.

    Each run is compared with the first.

    Examples:
      cenet compare runs/cenet runs/unet --output comparison
    """

    runs: RunsArgument
    """scored run folders, or released models"""
    split: Annotated[str | None, arg(metavar="PART", help_behavior_hint="(default: the first that there is)")] = None
    """part that was scored"""
    output: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: print only)")] = None
    """write tables and a plot there"""
    overwrite: Overwrite = False
    """replace files that are there and that no comparison wrote"""
    scoring: ScoringOptions = field(default_factory=ScoringOptions)

    def execute(self) -> None:
        """Compare them, and print the table."""
        runs = find_runs(self.runs)
        from cenet.evaluation.compare import compare
        from cenet.reporting.comparison_text import format_comparison
        from cenet.reporting.files import write_comparison_files

        report = compare(
            runs,
            protocol=self.scoring.protocol,
            part=self.split,
            tta=self.scoring.tta,
            output=self.output,
            overwrite=self.overwrite,
        )
        if self.output:
            write_comparison_files(report, overwrite=self.overwrite)
        print(format_comparison(report))


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write a page about scored runs: scores, curves, cases.

    Examples:
      cenet report runs/drive --output drive.html
    """

    runs: RunsArgument
    """scored run folders, or released models"""
    split: Annotated[str | None, arg(metavar="PART", help_behavior_hint="(default: the first that there is)")] = None
    """part that was scored"""
    output: Annotated[Path, arg(metavar="FILE.html")] = Path("report.html")
    """the page"""
    overwrite: Overwrite = False
    """replace a file that is there and that is no page of cenet"""
    cases: Annotated[int, arg(metavar="N")] = 3
    """show N images, from the worst to the best"""
    scoring: ScoringOptions = field(default_factory=ScoringOptions)

    def execute(self) -> None:
        """Write it."""
        runs = find_runs(self.runs)
        from cenet.reporting.html_report import report

        page = report(
            runs,
            protocol=self.scoring.protocol,
            part=self.split,
            tta=self.scoring.tta,
            output=self.output,
            overwrite=self.overwrite,
            cases=self.cases,
        )
        print_line(f"report: {page}")


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Segment images and folders of images.

    Given again, the same command skips what is finished.

    Examples:
      cenet predict vessels-open eye.png --output masks
      cenet predict runs/drive photographs more/eye.png --output masks --tta
      cenet predict runs/drive eye.png --output eye_vessels.png
      cenet predict runs/drive photographs --output masks --shard 2/8
      cenet predict lung-ct SERIES --output masks --format dicom-seg
    """

    run: RunArgument
    """a released model (see `cenet models`), the run folder, that of a cross-validation, or a file of `cenet export`"""
    image: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE [IMAGE ...]", help_behavior_hint="")]
    """images, TIFFs of several pages, and folders of such files"""
    output: Annotated[Path, arg(metavar="DIR|FILE", help_behavior_hint="(required)")]
    """folder to write into; for one image also the file of its mask: .png, .tif, .nii.gz or .dcm"""
    format: Literal["png", "tiff", "nifti", "dicom-seg"] = "png"
    """format of masks beside PNG, in the geometry of the source: one file for each image, stack or DICOM series"""
    tta: Flag = False
    """average the predictions of the flips and quarter turns of training (up to eight)"""
    probabilities: Flag = False
    """also write STEM_probability.tif"""
    uncertainty: Flag = False
    """also write how unsure each pixel is: STEM_uncertainty.png to look at, and .tif"""
    measure: Flag = False
    """also measure each mask, into measurements.csv: as the run's task says, or --task"""
    task: Annotated[str | None, arg(metavar="TASK", help_behavior_hint="(default: the run's)")] = None
    """with --measure: what masks show, see `cenet measure`"""
    pixel_size: Annotated[str | None, arg(metavar="SIZE", help_behavior_hint="(default: as files state it)")] = None
    """for --measure and --match-pixel-size: size of a pixel with its unit, such as 7.5um, 0.7mm or 3.87x11.5um"""
    overwrite: Overwrite = False
    """replace files that are there, and predict again what is finished"""
    engine: Literal["auto", "onnxruntime", "openvino", "openvino-bf16"] = "auto"
    """what computes a file of `cenet export`; auto: ONNX Runtime for .onnx, OpenVINO for .xml"""
    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    images: PredictedImageOptions = field(default_factory=PredictedImageOptions)
    machine: DeviceOptions = field(default_factory=DeviceOptions)

    def execute(self) -> None:
        """Predict, and print what is remarkable and what failed."""
        from cenet.data.io.read import has_image_suffix

        shard = self.cluster.parse_shard()
        names_file = has_image_suffix(self.output) and not self.output.is_dir()
        ray = self.cluster.parse_ray(
            threads=self.machine.threads, is_plain=not (shard or self.plugin or self.format != "png" or names_file)
        )
        run = find_model_or_run(self.run)
        for image in self.image:
            check_file(image)
        pixel_um = self._find_pixel_size()
        measure = self._find_measurement_options(pixel_um)
        from cenet.inference.predict import FailedImagesError, write_predictions

        options: dict[str, Any] = {
            "output": self.output,
            "tta": self.tta,
            "probabilities": self.probabilities,
            "uncertainty": self.uncertainty,
            "overwrite": self.overwrite,
            "device": self.machine.device,
            "engine": self.engine,
            "measure": measure,
            "reading": self.images.to_input_options(pixel_um),
        }
        try:
            if ray is not None:
                from cenet.inference.ray_predict import write_predictions_with_ray

                remarks = write_predictions_with_ray(run, self.image, ray=ray, **options)
            else:
                remarks = write_predictions(run, self.image, shard=shard, mask_format=self.format, **options)
        except FailedImagesError as error:
            print_remarks(error.remarks)
            for failure in error.failures:
                print_line(f"failed: {failure}", file=sys.stderr)
            raise
        print_remarks(remarks)
        print_line(f"predictions: {self.output}")

    def _find_pixel_size(self) -> tuple[float, float] | None:
        if self.pixel_size is None:
            return None
        if not (self.measure or self.images.match_pixel_size):
            raise CenetError("--pixel-size", "is for --measure and --match-pixel-size", "add one of them")
        from cenet.measurements import parse_pixel_size

        return parse_pixel_size(self.pixel_size)

    def _find_measurement_options(self, pixel_um: tuple[float, float] | None) -> "MeasurementOptions | None":
        if not self.measure:
            if self.task:
                raise CenetError("--task", "is for measurements", "add --measure, or leave it out")
            return None
        from cenet.datasets.resolve import resolve_dataset
        from cenet.inference.trust import MeasurementOptions

        if self.task:
            resolve_dataset(self.task)
        return MeasurementOptions(self.task, pixel_um)


def print_remarks(remarks: Sequence[str]) -> None:
    """Print what is remarkable of predictions, a line for each."""
    for remark in remarks:
        print_line(f"note: {remark}", file=sys.stderr)
