"""`cenet import-official`: a checkpoint of the authors' code becomes a run like any other."""

from pathlib import Path

from cenet.config.recipe import Recipe
from cenet.data.io.files import hash_file
from cenet.data.labels.encoding import default_names
from cenet.inference.model_card import write_model_card
from cenet.inference.run import Run
from cenet.inference.run_folder import check_not_occupied, lock_run
from cenet.inference.run_metadata import RunMetadata
from cenet.networks import build_network
from cenet.networks.authors import load_official


def import_authors_checkpoint(path: Path, *, output: Path) -> Run:
    """Make a run of a checkpoint, with the authors' input rule: 448 squash, BGR, x / 255 * 3.2 - 1.6.

    Args:
        path: A state_dict saved by the authors' code.
        output: The run folder to make.

    Raises:
        CenetError: The checkpoint is not whole or not theirs, or the output already exists; nothing is left behind.
    """
    check_not_occupied(output)
    official = load_official(path)
    num_classes = official.head.conv2.out_channels
    recipe = Recipe(
        name="authors",
        title="a checkpoint of the CE-Net authors' code",
        num_classes=num_classes,
        encoder="resnet34",
        encoder_weights="none",
        input_normalisation="authors",
        resize_mode="square",
        size_px=448,
        crop_px=None,
    )
    network = build_network(recipe)
    rule = {name: value for name, value in network.state_dict().items() if name.startswith("normalise.")}
    network.load_state_dict({**official.state_dict(), **rule})
    facts = RunMetadata(
        started_from=f"the authors' checkpoint {path.name}, SHA-256 {hash_file(path)[:16]}",
        in_channels=3,
        classes=default_names(max(num_classes - 1, 1)),
        command=f"cenet import-official {path.name} --output runs/{output.name}",
    )
    with lock_run(output):
        run = Run.create(output, recipe, facts)
        run.save_weights(network)
        write_model_card(run)
        run.update(finished=True)
    return run
