"""`cenet reproduce`: one fold of a released model, trained again, and whether its score is what the release states."""

from dataclasses import dataclass
from pathlib import Path

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.evaluation.report import EvaluationReport
from cenet.evaluation.report_files import evaluation_folder
from cenet.experiments.resume import train_or_resume
from cenet.inference.device import AnyDevice
from cenet.models.installed import find_fold, find_model
from cenet.models.model_info import ModelInfo, ModelReference, Reproduction
from cenet.reporting.evaluation_text import image_means
from cenet.reporting.files import write_evaluation_files
from cenet.reporting.tables import format_number, metric_title

OVERLAYS = 3


@dataclass(frozen=True)
class ReproducedFold:
    """A fold that was trained again.

    Args:
        model: Name and version of the model.
        run: The run folder.
        value: Its score.
        stored: The fold as it was released.
    """

    model: str
    run: Path
    value: float
    stored: Reproduction

    @property
    def agrees(self) -> bool:
        """Whether the score lies within the interval in which a further seed is expected."""
        return self.stored.low <= self.value <= self.stored.high


def reproduce(
    name: str, data: Path, *, output: Path | None = None, seed: int | None = None, device: AnyDevice = "auto"
) -> ReproducedFold:
    """Train the stored fold of a released model again, score it, and compare it with the release.

    Given again after a stop, it resumes.

    Args:
        name: The model.
        data: The images that it was trained on, laid out as the recipe's task says.
        output: The run folder; `runs/NAME-VERSION-fold-N` by default, with `-seed-SEED` after it where a seed is given.
        seed: Another seed than the release's.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.

    Raises:
        CenetError: There is no such model or fold, the images are not those of the release, the model that the
            fold started from is installed in another version, or the folder holds a run of another recipe or split.
    """
    folder, model, stored = find_fold(name)
    recipe = load_recipe(str(folder / "recipe.json"))
    recipe = recipe if seed is None else recipe.replace(seed=seed)
    suffix = "" if seed is None else f"-seed-{seed}"
    output = output or Path("runs") / f"{model.name}-{model.version}-fold-{stored.fold}{suffix}"
    print(
        f"training fold {stored.fold} of {stored.folds} of {model.name} {model.version} again, seed {recipe.seed}: "
        f"it took {stored.minutes:g} minutes on the machine of the release"
    )
    run = train_or_resume(
        recipe,
        data,
        output,
        splits=folder / "splits.json",
        init_from=_find_start(stored.started_from_model),
        device=device,
    )
    scores = evaluation_folder(output, part="test", protocol=stored.protocol, tta=False)
    if (scores / EvaluationReport.file_name).exists():
        report = EvaluationReport.load(scores)
    else:
        report = evaluate(run.path, data=data, part="test", protocol=stored.protocol, overlays=OVERLAYS, device=device)
        write_evaluation_files(report, overlays=OVERLAYS)
    means = [mean.score.value for mean in image_means(report, stored.metric) if mean.part == stored.part]
    return ReproducedFold(f"{model.name} {model.version}", output, means[0], stored)


def _find_start(model: ModelReference | None) -> Path | None:
    if model is None:
        return None
    folder = find_model(model.name)
    if (installed := ModelInfo.load(folder).version) != model.version:
        remedy = f"install the version of the package that holds {model.name} {model.version}"
        raise CenetError(f"{model.name} {installed}", f"the fold started from version {model.version}", remedy)
    return folder


def format_reproduction(result: ReproducedFold) -> str:
    """Whether a fold that was trained again scores as the release states, in a few lines."""
    stored = result.stored
    low, high, score = (format_number(value, like=result.value) for value in (stored.low, stored.high, result.value))
    seeds = ", ".join(format_number(value) for value in stored.values)
    verdict = "lies within" if result.agrees else "lies outside"
    return (
        f"{metric_title(stored.metric, stored.part)} of fold {stored.fold}: {score}; "
        f"{result.model} states {seeds} for {len(stored.values)} seeds.\n"
        f"It {verdict} {low} to {high}, where 95 of 100 further trainings are expected.\n"
        f"run: {result.run}"
    )
