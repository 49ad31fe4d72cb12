"""The recipes that come with the package, by name or from a file."""

from pathlib import Path

from pydantic_core import from_json

from cenet.config.json_files import read_regular_file
from cenet.config.recipe import Recipe, validate_recipe
from cenet.errors import CenetError, nearest

DRIVE = Recipe(
    name="drive",
    title="vessels on DRIVE, at twice the size: the thinnest vessels are then two pixels wide",
    task="drive",
    scale=2.0,
    crop_px=448,
    batch_size=4,
    epochs=12,
    loss_outside_fov=True,
    steps_per_epoch=25,
    learning_rate=2e-3,
    encoder_learning_rate_factor=0.5,
    use_stem_skip=True,
    channel_jitter=0.1,
    gamma=0.2,
)

SLIM = {
    "network": "cenet-lite",
    "learning_rate": 3e-3,
    "encoder_learning_rate_factor": 1.0,
    "selection": "average",
    "clip_gradients": 1.0,
    "decay_norms": False,
    "validate_every": 6,
}
"""How `cenet-lite` is trained, whatever the images are."""

VESSELS = DRIVE.replace(
    name="vessels",
    title="vessels of the retina on photographs of any size",
    task="vessels",
    scale=1.0,
    resize_mode="field-of-view",
    size_px=1080,
)

DISC = Recipe(
    name="disc",
    title="optic disc and cup, in a square around the disc that a localiser finds",
    task="disc",
    num_classes=3,
    nested=True,
    resize_mode="square",
    size_px=256,
    roi_fraction=0.45,
    localiser_epochs=40,
    crop_px=None,
    batch_size=4,
    epochs=60,
    validate_every=5,
    rotate_deg=15,
    channel_jitter=0.15,
    gamma=0.3,
)

LUNG = Recipe(
    name="lung",
    title="both lungs in slices of CT",
    task="lung",
    resize_mode="longest",
    size_px=320,
    crop_px=256,
    batch_size=4,
    epochs=12,
    steps_per_epoch=25,
    horizontal_flip_only=True,
    rotate_deg=10,
    gamma=0.2,
)

CELLS = Recipe(
    name="cells",
    title="membranes between cells in electron micrographs",
    task="cells",
    crop_px=256,
    batch_size=4,
    epochs=12,
    steps_per_epoch=50,
    learning_rate=2e-3,
    encoder_learning_rate_factor=0.5,
    use_stem_skip=True,
    rotate_deg=20,
    gamma=0.3,
    threshold_metric="v_rand",
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="phantom-vessels",
            title="vessels on drawn fundus photographs: the demo, minutes on a laptop's CPU",
            resize_mode="longest",
            size_px=512,
            crop_px=256,
            batch_size=8,
            epochs=6,
            steps_per_epoch=25,
            loss_outside_fov=True,
            use_stem_skip=True,
            rotate_deg=30,
            channel_jitter=0.15,
            gamma=0.3,
        ),
        Recipe(
            name="drive-paper",
            title="the paper's training on DRIVE, as far as it is known, on a split of the labelled images",
            task="drive",
            encoder="resnet34",
            encoder_weights="imagenet",
            resize_mode="square",
            size_px=448,
            crop_px=None,
            expand_d4=True,
            loss_outside_fov=True,
            batch_size=8,
            epochs=100,
            loss="dice",
            optimiser="sgd",
            learning_rate=4e-3,
            weight_decay=1e-4,
            schedule="poly",
            flips=False,
            zoom=0.1,
            translate=0.1,
            brightness=0.0,
            channel_jitter=0.1,
            unverified=(
                "input_normalisation",
                "share_weights",
                "use_stem_skip",
                "size_px",
                "epochs",
                "batch_size",
                "expand_d4",
                "loss_outside_fov",
                "optimiser",
                "learning_rate",
                "momentum",
                "weight_decay",
                "schedule",
                "zoom",
                "translate",
                "brightness",
                "channel_jitter",
            ),
        ),
        DRIVE,
        VESSELS,
        VESSELS.replace(
            name="vessels-lite",
            title="vessels of the retina on photographs of any size, by the slim network",
            **SLIM,
            epochs=24,
            rotate_deg=180,
            zoom=0.3,
            brightness=0.3,
            channel_jitter=0.2,
            gamma=0.4,
        ),
        DISC,
        DISC.replace(
            name="disc-lite",
            title="optic disc and cup, in a square around the disc that a localiser finds, by the slim network",
            **SLIM,
            size_px=320,
            localiser_epochs=10,
            epochs=24,
            steps_per_epoch=25,
            rotate_deg=30,
            zoom=0.25,
            brightness=0.2,
        ),
        LUNG,
        LUNG.replace(
            name="lung-lite",
            title="both lungs in slices of CT, by the slim network",
            **SLIM,
            clip_low=-1024,
            resize_mode="square",
            size_px=512,
            crop_px=None,
            zoom=0.2,
            translate=0.05,
            brightness=0.2,
        ),
        CELLS,
        CELLS.replace(
            name="cells-lite",
            title="membranes between cells in electron micrographs, by the slim network",
            **SLIM,
            gap_weight=1.0,
            rotate_deg=180,
            zoom=0.3,
            elastic_px=4,
            brightness=0.2,
        ),
        Recipe(
            name="oct",
            title="layers of the retina in OCT",
            task="oct",
            num_classes=12,
            ordered=True,
            scale=0.5,
            crop_px=256,
            batch_size=4,
            epochs=24,
            steps_per_epoch=25,
            learning_rate=2e-3,
            encoder_learning_rate_factor=0.5,
            use_stem_skip=True,
            horizontal_flip_only=True,
            rotate_deg=12,
            zoom=0.25,
            elastic_px=6,
            brightness=0.2,
            gamma=0.5,
        ),
        Recipe(
            name="folder",
            title="your own images in a plain folder",
            use_stem_skip=True,
            channel_jitter=0.1,
            gamma=0.2,
            rotate_deg=15,
            epochs=50,
            patience=15,
        ),
    )
}


def load_recipe(name_or_file: str | Path) -> Recipe:
    """A recipe by its name in `RECIPES`, or from a JSON file.

    Raises:
        CenetError: No such recipe or file, or a file that is no recipe.

    >>> load_recipe("drive").task
    'drive'
    """
    if isinstance(name_or_file, str) and name_or_file in RECIPES:
        return RECIPES[name_or_file]
    path = Path(name_or_file)
    if path.suffix != ".json":
        near = nearest(str(name_or_file), RECIPES)
        hint = f"did you mean {near}? Choose" if near else "choose"
        remedy = f"{hint} from {', '.join(RECIPES)}, or name a .json file"
        raise CenetError(name_or_file, "there is no recipe of this name", remedy)
    remedy = "name a recipe.json as a run folder holds it"
    try:
        fields = from_json(read_regular_file(path, remedy=remedy))
    except ValueError as error:
        raise CenetError(path, f"is not JSON ({error})", remedy) from error
    if not isinstance(fields, dict):
        raise CenetError(path, "holds no recipe", remedy)
    return validate_recipe(fields, origin=str(path))


def default_recipe(task: str) -> Recipe:
    """The first recipe of a task; for a task without one that of a plain folder.

    >>> default_recipe("disc").num_classes, default_recipe("nnunet").name
    (3, 'folder')
    """
    return next((recipe for recipe in RECIPES.values() if recipe.task == task), RECIPES["folder"])
