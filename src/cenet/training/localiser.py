"""The network that finds the region of interest, in a run inside the run's own folder."""

from cenet.inference.device import DeviceConfig
from cenet.inference.run import Run
from cenet.inference.run_folder import LOCALISER, is_unstarted, lock_run
from cenet.training.checkpoints import remove_finished_checkpoints
from cenet.training.initial_weights import build_initialised_network
from cenet.training.prepare import TrainingData
from cenet.training.trainer import run_training


def train_localiser(run: Run, data: TrainingData, device: DeviceConfig, *, deterministic: bool) -> None:
    """Train the localiser of a run that needs one, or resume it; one that is finished is left as it is.

    Args:
        run: The run, whose lock the caller holds.
        data: The images of the run.
        device: What computes.
        deterministic: Only use algorithms that give the same result every time.

    Raises:
        CenetError: As `cenet.training.trainer.run_training`.
    """
    if run.recipe.roi_fraction is None:
        return
    folder, facts = run.path / LOCALISER, run.facts
    with lock_run(folder):
        is_new = is_unstarted(folder)
        if not is_new and Run(folder).facts.finished:
            remove_finished_checkpoints(Run(folder))
            return
        print("training the localiser, which sees whole images")
        network, started_from = build_initialised_network(
            run.recipe.localiser, facts.in_channels, facts.value_range, own_network=run.own_network
        )
        if is_new:
            changes = dict.fromkeys(("init_from", "started_from_model", "custom_loss", "custom_augmentation"))
            facts = facts.model_copy(update={**changes, "started_from": started_from})
            Run.create(folder, run.recipe.localiser, facts, split=run.split)
        localiser = Run(folder, network=run.own_network)
        run_training(localiser, network, data.samples, device, cache=data.cache, deterministic=deterministic)
        remove_finished_checkpoints(localiser)
    print("training on the region of interest")
