"""Released models as text: the table of those that are installed, and the card of one."""

from collections.abc import Sequence
from math import ceil, nan

from cenet.evaluation.report_scores import Score
from cenet.metrics.registry import METRICS
from cenet.models.model_info import ModelInfo, ReleasedScore, Reproduction
from cenet.reporting.tables import (
    BulletList,
    Style,
    Table,
    format_interval,
    format_number,
    interval_title,
    metric_title,
    render,
)
from cenet.safe_text import format_bytes, format_count

LIST_WIDTHS = (31, 20, None, None)  # of the columns in the list of models, which so fit 80 characters
SCORES = "Scores of images that the scored networks were not trained on"


def format_models(models: Sequence[ModelInfo]) -> str:
    """The installed models, each with the table of its scores, and what to type next.

    Args:
        models: The installed models.
    """
    next_commands = (
        "cenet models NAME: its card, with data, terms, limits and failures",
        "cenet predict NAME IMAGE --output DIR: masks and overlays",
    )
    blocks = [block for model in models for block in _list_model(model)] or ["No model is installed."]
    return render([*blocks, "Research use only, not a medical device.", BulletList(next_commands)], "terminal")


def _list_model(model: ModelInfo) -> list[str | Table | BulletList]:
    """What the list says of a model; its scores are grouped by the images that they are of."""
    images = {_describe_images(score, score.source or score.data): None for score in model.scores}
    rows = [
        (name, *_metric_cells(score))
        for name in images
        for score in model.scores
        if _describe_images(score, score.source or score.data) == name
    ]
    title = f"{model.name} {model.version}: {model.title}"
    header = ("scored on", "metric", "value", _interval_title(model))
    table = Table(title, header, tuple(rows), "llrl", LIST_WIDTHS)
    sets = "; ".join(f"{data_set.name} ({data_set.images:,} images, {data_set.terms})" for data_set in model.data)
    facts = (
        f"Task: {model.task}; recipe: {model.recipe}",
        f"Trained on: {sets}",
        f"Licence of the weights: {model.licence}",
        f"{format_bytes(model.weights_bytes)}, SHA-256 {model.weights_sha256}",
    )
    return [table if rows else title, BulletList(facts)]


def format_model_card(model: ModelInfo, style: Style) -> str:
    """Everything that is known of a model: what it is for, how good it is, what it may be used for, where it fails.

    Args:
        model: The model.
        style: For a terminal, or for its `MODEL_CARD.md`.
    """
    facts = [
        f"Task: {model.task}; recipe: {model.recipe} (recipe.json)",
        f"Licence of the weights: {model.licence}",
        f"Encoder: {model.encoder}",
        f"Size: {format_count(model.parameters, 'parameter')}, {format_bytes(model.weights_bytes)} in float16, "
        f"SHA-256 {model.weights_sha256}",
        f"Rounding to float16 changes masks by a Dice of {ceil(model.dice_lost * 1e4) / 1e4:.4f} at most",
    ]
    header = ("images", "metric", "value", _interval_title(model), "protocol")
    rows = [(*_score_cells(score), f"{score.protocol}, {score.method}".rstrip(", ")) for score in model.scores]
    sets = [(data_set.name, f"{data_set.images:,}", data_set.terms, data_set.reference) for data_set in model.data]
    blocks: list[tuple[str, list[str | BulletList | Table]]] = [
        ("", [model.notice, BulletList(tuple(facts))]),
        (
            "Scores",
            [
                "No scored network was trained on the images that it predicted. On data sets that are not named below "
                "as training data, these weights were scored; on the others, networks of the same recipe, trained "
                "without the fold that they predicted.",
                Table(SCORES, header, tuple(rows), "llrll"),
            ],
        ),
        ("Training data", [Table("Trained on", ("data set", "images", "terms", "reference"), tuple(sets), "lrll")]),
        ("Limits", [BulletList(model.limits)]),
        ("Where it fails", [BulletList(model.failures)]),
        ("Reproduce", [_describe_reproduction(model.name, model.reproduction)]),
        (
            "Use",
            [
                f"cenet predict {model.name} IMAGE --output DIR",
                f'In Python: cenet.load("{model.name}")(image)',
            ],
        ),
    ]
    title = f"{model.name} {model.version}: {model.title}"
    parts = [f"# {render([title], style)}" if style == "markdown" else render([title], style)]
    for heading, content in blocks:
        if heading:
            parts.append(f"## {heading}" if style == "markdown" else heading.upper())
        parts.append(render(content, style))
    return "\n\n".join(parts)


def _describe_reproduction(name: str, fold: Reproduction | None) -> str:
    if fold is None:
        return "No fold is stored to train again."
    values = ", ".join(format_number(value) for value in fold.values)
    low, high = (format_number(end, like=fold.values[0]) for end in (fold.low, fold.high))
    return (
        f"cenet reproduce {name} --data DIR trains fold {fold.fold} of {fold.folds} again ({fold.data}). "
        f"{metric_title(fold.metric, fold.part)} of {len(fold.values)} seeds: {values}; a further training lies "
        f"between {low} and {high} (95 % prediction interval). "
        f"It takes about {max(fold.minutes, 1):.0f} minutes on the machine of the release."
    )


def _score_cells(score: ReleasedScore) -> tuple[str, str, str, str]:
    """What was scored, the metric, its value and its interval."""
    data = f"{score.data}: {score.source}" if score.source else score.data
    return _describe_images(score, data), *_metric_cells(score)


def _describe_images(score: ReleasedScore, data: str) -> str:
    groups = "" if score.groups == score.images else f" of {format_count(score.groups, 'group')}"
    return f"{data}, {format_count(score.images, 'image')}{groups}"


def _interval_title(model: ModelInfo) -> str:
    return interval_title([_to_score(score) for score in model.scores])


def _to_score(score: ReleasedScore) -> Score:
    return Score(
        value=score.value,
        low=nan if score.low is None else score.low,
        high=nan if score.high is None else score.high,
        interval_kind="range" if score.method.startswith("range") else "t",
    )


def _metric_cells(score: ReleasedScore) -> tuple[str, str, str]:
    title = metric_title(score.metric, score.part, direction=True) if score.metric in METRICS else score.metric
    if score.average == "pooled":
        title += ", all images together"
    return title, format_number(score.value), format_interval(_to_score(score))
