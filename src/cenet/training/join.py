"""What a training process does that is not the first of several: the first makes the run folder, it trains along."""

from pathlib import Path
from typing import Any

from cenet.inference.device import DeviceConfig
from cenet.inference.run import Run
from cenet.inference.run_folder import METADATA
from cenet.networks import NetworkFactory
from cenet.training.prepare import read_split_again
from cenet.training.processes import silence_output, wait_for_first
from cenet.training.trainer import match_run_precision, run_training


def join_training(
    path: Path,
    data: Path | str | None,
    device: DeviceConfig,
    *,
    network: NetworkFactory | None,
    **options: Any,
) -> Run:
    """Train along in a process that is not the first, in the run folder that the first has made or resumes.

    Args:
        path: The run folder.
        data: The folder of images, where it is another than the run folder says.
        device: What computes.
        network: The class of the run's network, where it is one of your own.
        options: As for `cenet.training.trainer.run_training`.

    Raises:
        CenetError: As `run_training`, or another process has stopped.
    """
    silence_output(device)
    if (path / METADATA).is_file() and Run(path, network=network).facts.finished:
        return Run(path, network=network)
    wait_for_first(device)
    run = Run(path, network=network)
    split, facts = run.split, run.facts
    assert split is not None  # the first process trains it
    assert facts.labels is not None
    training_data = read_split_again(
        run.recipe, Path(data or facts.data or ""), group_pattern=facts.group_pattern, split=split, labels=facts.labels
    )
    return run_training(
        run,
        run.build_network(),  # its weights are those of the first process, or of the checkpoint
        training_data.samples,
        match_run_precision(run, device),
        cache=training_data.cache,
        deterministic=bool(facts.deterministic),
        **options,
    )
