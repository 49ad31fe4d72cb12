"""`cenet predict`: masks, overlays and probabilities of images, in their own geometry."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from tqdm import tqdm

from cenet.data.io.ome import read_channel_names
from cenet.data.io.outputs import Note
from cenet.errors import CenetError
from cenet.inference.adapt_image import choose_channels
from cenet.inference.input_options import PLAIN_INPUT, InputOptions
from cenet.inference.large_images import predict_large_image
from cenet.inference.list_images import list_ignored
from cenet.inference.mask_formats import FurtherMasks, MaskFormat, find_format, write_one_file
from cenet.inference.overlap import LoadedImage, PredictionWriter, compute_ahead
from cenet.inference.pixels import InputImage, InputImages, to_pixels
from cenet.inference.prediction_files import PredictionPlan, list_extras
from cenet.inference.shards import Shard
from cenet.inference.trust import MeasurementOptions, PredictionRecord, check_measurable

if TYPE_CHECKING:  # imported when they are used, so that what cannot be written is refused before torch is there
    from cenet.inference.device import Device, DeviceConfig
    from cenet.inference.engines import EngineName
    from cenet.inference.ensemble import LoadedPredictor, OpenedModel
    from cenet.inference.prediction import Prediction
    from cenet.networks import NetworkFactory


class FailedImagesError(CenetError):
    """Some of several images could not be predicted; the others are written.

    Args:
        failures: Why, for each of them.
        count: How many images there were.
        remarks: What `write_predictions` would have returned.
        unwritten: Why files of another format could not be made of the masks.
    """

    def __init__(
        self,
        failures: Sequence[CenetError],
        *,
        count: int,
        remarks: Sequence[str],
        unwritten: Sequence[CenetError] = (),
    ) -> None:
        if failures:
            first = failures[0]
            subject, failed = f"{len(failures)} of {count} images", "cannot be predicted"
            remedy = "fix or remove them, and give the same command again, which skips those that are written"
        else:
            first = unwritten[0]
            subject, failed, remedy = f"{len(unwritten)} files of masks", "cannot be written", first.remedy
        super().__init__(subject, f"{failed}, such as {first.subject} ({first.cause})", remedy)
        self.failures, self.remarks = (*failures, *unwritten), tuple(remarks)


@overload
def predict(
    run: "Path | str | LoadedPredictor",
    images: InputImage,
    *,
    device: "DeviceConfig | Device" = ...,
    tta: bool = ...,
    uncertainty: bool = ...,
    network: "NetworkFactory | None" = ...,
    reading: InputOptions = ...,
) -> "Prediction": ...
@overload
def predict(
    run: "Path | str | LoadedPredictor",
    images: InputImages,
    *,
    device: "DeviceConfig | Device" = ...,
    tta: bool = ...,
    uncertainty: bool = ...,
    network: "NetworkFactory | None" = ...,
    reading: InputOptions = ...,
) -> "list[Prediction]": ...
def predict(
    run: "Path | str | LoadedPredictor",
    images: InputImage | InputImages,
    *,
    device: "DeviceConfig | Device" = "auto",
    tta: bool = False,
    uncertainty: bool = False,
    network: "NetworkFactory | None" = None,
    reading: InputOptions = PLAIN_INPUT,
) -> "Prediction | list[Prediction]":
    """Predict an image or a list of images; nothing is written, see `write_predictions` for that.

    Args:
        run: The name of a released model, the run folder, an ensemble's, or what `cenet.load` returned, which device,
            tta and network are given to.
        images: A file, a PIL image, or an array `(H, W, C)` as the network was trained on; or a list of these.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        tta: Average the eight flips and turns.
        uncertainty: Estimate how unsure the prediction is of each pixel, as its `uncertainty`.
        network: The class of the run's network, where it is one of your own.
        reading: How images are read, such as resampled to the pixel size of the training images.

    Returns:
        The prediction, with `mask` and `probabilities`; for a list one for each image.

    Raises:
        CenetError: The run is not complete, an image cannot be read or is of another kind than in training, or an
            option does not count.
    """
    from cenet.inference.ensemble import load

    if isinstance(run, Path | str):
        predictor = load(run, device=device, tta=tta, network=network)
    elif not callable(run):
        raise CenetError("predict", f"a {type(run).__name__} predicts nothing", "name a run, or use cenet.load")
    elif device != "auto" or tta or network is not None:
        raise CenetError("predict", "device, tta and network cannot change what is loaded", "give them to cenet.load")
    else:
        predictor = run
    predictor = reading.limit_windows(predictor)

    def predict_one(image: InputImage, name: str) -> "Prediction":
        path = Path(image) if isinstance(image, Path | str) else None
        pixel_um = reading.find_pixel_um(path, name=str(path or name))
        if reading.channels:
            pixels, name = to_pixels(image, name=name)
            names = read_channel_names(path) if path is not None else ()
            indices, _ = choose_channels(pixels.shape[2], names, trained=(), chosen=reading.channels, name=name)
            image = np.ascontiguousarray(pixels[..., indices])
        return predictor(image, name=name, uncertainty=uncertainty, pixel_um=pixel_um)

    if isinstance(images, list | tuple):
        return [predict_one(image, f"image {number}") for number, image in enumerate(images)]
    return predict_one(images, "image")


def write_predictions(
    path: Path | str,
    image: Path | str | Sequence[Path | str],
    *,
    output: Path | str,
    tta: bool = False,
    probabilities: bool = False,
    uncertainty: bool = False,
    overwrite: bool = False,
    device: "DeviceConfig | Device" = "auto",
    engine: "EngineName" = "auto",
    network: "NetworkFactory | None" = None,
    measure: MeasurementOptions | None = None,
    shard: Shard | None = None,
    mask_format: MaskFormat = "png",
    reading: InputOptions = PLAIN_INPUT,
) -> list[str]:
    """Predict images into `STEM_mask.png`, `STEM_overlay.png` and `STEM_probability.tif`; what is finished is skipped.

    Where classes lie in layers, `STEM_boundaries.npy` holds the rows of the boundaries between them. Of a TIFF with
    several pages every page is predicted, as `STEM-00`, `STEM-01`, ... Two images of one stem are kept apart by their
    whole names, `NAME.png_mask.png`.

    Args:
        path: The name of a released model, the run folder, an ensemble's, or the file of an exported model.
        image: An image file or a stack of them, a folder of such files, or several of these.
        output: The folder to write into; for one image (stack, series) also the file of its mask, whose ending says of
            which format: .png, .tif, .nii.gz or .dcm.
        tta: Average the eight flips and turns.
        probabilities: Also write the probabilities (float32, classes first).
        uncertainty: Also write how unsure each pixel is, as `STEM_uncertainty.tif`, and `.png` to look at.
        overwrite: Replace files that this function did not write, and predict again what is finished.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        engine: What computes an exported model: `auto` for that of its kind of file, `onnxruntime` or `openvino`.
        network: The class of the run's network, where it is one of your own.
        measure: Also measure each mask, into `measurements.csv`.
        shard: Predict this part of the images; `cenet.inference.merge_shards` joins the parts.
        mask_format: Also write masks as TIFF, NIfTI or DICOM segmentation: one file for each image, stack or series.
        reading: How images are read, such as resampled to the pixel size of the training images.

    Returns:
        A remark on images that were skipped, for each prediction that is empty or full, on files that were ignored, and
        which of several images to look at first.

    Raises:
        CenetError: The output holds files of others or predictions with other options, and nothing is written; or the
            image cannot be read or does not fit the run.
        FailedImagesError: Likewise, of some of several images; the others are written.
    """
    paths = [Path(image)] if isinstance(image, str | Path) else [Path(item) for item in image]
    if find_format(Path(output)) is not None:
        return write_one_file(
            partial(
                write_predictions, path, image, tta=tta, device=device, engine=engine, network=network, reading=reading
            ),
            paths,
            Path(output),
            overwrite=overwrite,
            is_alone=not (probabilities or uncertainty or measure or shard)
            and mask_format in ("png", find_format(Path(output))),
        )
    extras = list_extras(probabilities=probabilities, uncertainty=uncertainty)
    plan = PredictionPlan(paths, Path(output), extras=extras, overwrite=overwrite, shard=shard)
    if measure is not None:
        check_measurable(plan)
    further = FurtherMasks(mask_format, plan.output, plan.predictions, is_part=shard is not None)
    from cenet.inference.ensemble import describe_engine, fingerprint_run, load_predictor, open_model

    run = open_model(path, network=network)
    reading.check(run)
    trust = PredictionRecord(plan.output, measure, task=run.recipe.task, names=run.facts.classes)
    settings: Note = {"run": fingerprint_run(run), "tta": tta, "probabilities": probabilities, **trust.settings}
    settings |= reading.settings
    if uncertainty:
        settings["uncertainty"] = True
    pending = plan.list_pending(settings, boundaries=run.recipe.ordered)
    remarks = list_ignored(paths) + plan.describe_skipped(pending)
    if not pending:
        return _finish(plan, further, run, {}, remarks)
    predictor = reading.limit_windows(load_predictor(run, device=device, tta=tta, engine=engine))
    record: Note = {**settings, "engine": describe_engine(predictor)}
    failures: dict[str, CenetError] = {}
    usual = [planned for planned in pending if not planned.is_large]
    loading = compute_ahead(lambda planned: LoadedImage.load(planned, run.facts, reading), usual)
    progress = tqdm(loading, total=len(usual), desc="predicting", unit="image", disable=len(usual) < 2)
    with PredictionWriter(plan, record, trust, recipe=run.recipe, facts=run.facts) as writer:
        for planned, future in progress:
            try:
                loaded = future.result()
                prediction = predictor(
                    loaded.pixels, name=loaded.name, uncertainty=uncertainty, pixel_um=loaded.pixel_um
                )
            except CenetError as error:
                failures[planned.image.title] = error
                continue
            writer.submit(loaded, prediction)
        remarks += writer.list_remarks()
    for planned in pending:
        if planned.is_large:
            try:
                remarks += predict_large_image(
                    predictor, run, planned, plan, record=record, trust=trust, reading=reading
                )
            except CenetError as error:
                failures[planned.image.title] = error
    remarks += trust.finish()
    return _finish(plan, further, run, failures, remarks)


def _finish(
    plan: PredictionPlan,
    further: FurtherMasks,
    run: "OpenedModel",
    failures: Mapping[str, CenetError],
    remarks: list[str],
) -> list[str]:
    """Note what failed, write the masks in their further format, and raise what failed."""
    count = len(plan.predictions)
    if failures:
        plan.note_failures({title: error.cause for title, error in failures.items()})
    if failures and count == 1:
        raise next(iter(failures.values()))
    unwritten = further.write(run)
    if failures or unwritten:
        raise FailedImagesError(list(failures.values()), count=count, remarks=remarks, unwritten=unwritten)
    return remarks
