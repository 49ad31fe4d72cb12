"""Predictions by the processes of a Ray cluster: each holds the model and writes what it predicts.

Every worker keeps a list of its own of what it wrote (see `cenet.data.io.outputs`), so a worker that dies loses
nothing: its image is predicted again by another, into the same files.
"""

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from cenet.data.io.outputs import Note, OutputFolder
from cenet.errors import CenetError
from cenet.inference.input_options import PLAIN_INPUT, InputOptions
from cenet.inference.large_images import predict_large_image
from cenet.inference.list_images import list_ignored
from cenet.inference.predict import FailedImagesError
from cenet.inference.prediction_files import PredictionPlan, list_extras
from cenet.inference.ray_worker import PredictionWorker, WorkerTask, to_row
from cenet.inference.trust import (
    MeasurementOptions,
    PredictionRecord,
    check_measurable,
    group_remarks,
    list_first_to_look_at,
    write_measurements,
)

if TYPE_CHECKING:
    from cenet.inference.device import Device
    from cenet.inference.engines import EngineName

LOCAL = "local"
IMAGES_OF_A_BLOCK = 4  # which a worker gets at once, or more where it would get more than so many blocks:
BLOCKS_OF_A_WORKER = 32  # each costs the driver time, and the last of one worker is what the others wait for
STORE_BYTES = 200 * 2**20  # of a cluster on this computer; what travels between processes are names
REACHABLE_S = 10
GOES_ON = "give the same command again, which skips what is written"


@dataclass(frozen=True)
class RayOptions:
    """The cluster.

    Args:
        address: Where it is; `local` starts one on this computer, for the time of the call.
        workers: How many processes predict; None: one for each processor (of a GPU run: for each GPU).
        threads: Threads of each.
    """

    address: str = LOCAL
    workers: int | None = None
    threads: int = 1


def write_predictions_with_ray(
    path: Path | str,
    images: Sequence[Path],
    *,
    output: Path,
    ray: RayOptions,
    tta: bool = False,
    probabilities: bool = False,
    uncertainty: bool = False,
    overwrite: bool = False,
    device: "Device" = "auto",
    engine: "EngineName" = "auto",
    measure: MeasurementOptions | None = None,
    reading: InputOptions = PLAIN_INPUT,
) -> list[str]:
    """Predict images as `cenet.inference.predict.write_predictions` does, by the processes of a Ray cluster.

    All arguments but `ray`, the cluster, are as for `write_predictions`; every node finds run, images and output, a
    folder, under the same names.

    Raises:
        CenetError: Ray is not installed or not reachable, all of its nodes went away, or as `write_predictions`.
        FailedImagesError: As `write_predictions`.
    """
    check_ray_installed()
    extras = list_extras(probabilities=probabilities, uncertainty=uncertainty)
    plan = PredictionPlan(images, output, extras=extras, overwrite=overwrite)
    if measure is not None:
        check_measurable(plan)
    from cenet.inference.ensemble import describe_engine, fingerprint_run, load_predictor, open_model

    run = open_model(path)
    reading.check(run)
    trust = PredictionRecord(plan.output, measure, task=run.recipe.task, names=run.facts.classes)
    settings: Note = {"run": fingerprint_run(run), "tta": tta, "probabilities": probabilities, **trust.settings}
    settings |= reading.settings
    if uncertainty:
        settings["uncertainty"] = True
    pending = plan.list_pending(settings, boundaries=run.recipe.ordered)
    remarks = list_ignored(images) + plan.describe_skipped(pending)
    where = str(Path(path).resolve()) if Path(path).exists() else str(path)
    task = WorkerTask(
        where,
        str(output.resolve()),
        settings,
        tta,
        uncertainty,
        overwrite,
        device,
        engine,
        measure,
        ray.threads,
        reading,
    )
    failures, said = [], []
    for answer in _stream(task, [to_row(planned) for planned in pending if not planned.is_large], ray):
        if answer["error"]:
            failures.append(CenetError(*json.loads(answer["error"])))
            continue
        said += [(answer["title"], remark) for remark in json.loads(answer["remarks"])]
        trust.expected[answer["title"]] = float(answer["expected"])
        if answer["unfamiliar"]:
            trust.unfamiliar.append(answer["title"])
    remarks += group_remarks(said)
    if large := [planned for planned in pending if planned.is_large]:  # which this process streams
        predictor = reading.limit_windows(load_predictor(run, device=device, tta=tta, engine=engine))
        record: Note = {**settings, "engine": describe_engine(predictor)}
        for planned in large:
            try:
                remarks += predict_large_image(
                    predictor, run, planned, plan, record=record, trust=trust, reading=reading
                )
            except CenetError as error:
                failures.append(error)
    if measure is not None:
        write_measurements(OutputFolder(output, verb="predict", overwrite=overwrite))
    if first := list_first_to_look_at(trust.expected, trust.unfamiliar):
        remarks.append(first)
    if failures:
        raise FailedImagesError(failures, count=len(plan.predictions), remarks=remarks)
    return remarks


def check_ray_installed() -> None:
    """Refuse to use Ray where it is not installed.

    Raises:
        CenetError: It is not.
    """
    try:
        is_installed = find_spec("ray") is not None
    except ValueError:  # of a module that only stands in for a missing one
        is_installed = False
    if not is_installed:
        raise CenetError("--ray", "Ray is not installed", "pip install 'cenet[ray]'")


def _stream(task: WorkerTask, rows: list[dict[str, Any]], options: RayOptions) -> Iterator[dict[str, Any]]:
    """The answers of the workers, as they come."""
    if not rows:
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # read when Ray is imported
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with _connect(options, rows=len(rows)):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0)) if task.device in ("auto", "cuda") else 0
        possible = gpus or int(resources.get("CPU", 1)) // options.threads
        workers = max(min(options.workers or possible, len(rows)), 1)
        blocks = max(min(len(rows) // IMAGES_OF_A_BLOCK, workers * BLOCKS_OF_A_WORKER), min(workers, len(rows)))
        answers = ray.data.from_items(rows, override_num_blocks=blocks).map(
            PredictionWorker,
            fn_constructor_args=(task,),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=options.threads,
            num_gpus=1 if gpus else 0,
        )  # Ray Data starts a worker that dies anew, and repeats what it did
        yield from tqdm(answers.iter_rows(), total=len(rows), desc=f"predicting, {workers} workers", unit="image")


@contextmanager
def _connect(options: RayOptions, *, rows: int) -> Iterator[None]:
    """Use a cluster, and let go of it."""
    import ray

    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if options.address == LOCAL:
            count = min(options.workers, rows) * options.threads if options.workers else None
            ray.init("local", num_cpus=count, include_dashboard=False, object_store_memory=STORE_BYTES, **quiet)
        else:
            _check_reachable(options.address)
            ray.init(options.address, **quiet)
    except Exception as error:  # Ray raises a plain one where its start takes too long
        ray.shutdown()
        if options.address == LOCAL:
            cause, remedy = "Ray did not start on this computer", "try again, or predict without --ray"
        else:
            cause, remedy = "no cluster can be used there", "start one with `ray start --head`, or use --ray local"
        raise CenetError(f"--ray {options.address}", f"{cause} ({type(error).__name__})", remedy) from error
    try:
        yield
    except ray.exceptions.RayError as error:
        raise CenetError(f"--ray {options.address}", f"the cluster failed ({type(error).__name__})", GOES_ON) from error
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ask whether anything listens at an address of host and port, for which Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHABLE_S).close()
