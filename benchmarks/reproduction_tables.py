"""Render what retraining a fold of each released model gave, beside what its card states."""

from table_rows import RESULTS, report

from cenet.models.model_info import ModelInfo
from cenet.reporting.evaluation_text import image_means
from cenet.reporting.tables import format_number, metric_title

MODELS = RESULTS.parent / "models" / "cenet_models"


def reproductions_table() -> str:
    """The score of each fold that `cenet reproduce` trained again, and the seeds and the interval of the release."""
    lines = ["| model | score of the fold | trained again | seeds of the release | 95 % prediction interval |"]
    lines.append("|---" * 5 + "|")
    for folder in sorted((RESULTS / "reproductions").iterdir()):
        model = ModelInfo.load(MODELS / folder.name)
        stored = model.reproduction
        assert stored is not None, f"{model.name} stores no fold"
        means = image_means(report(f"reproductions/{folder.name}"), stored.metric)
        value = next(mean.score.value for mean in means if mean.part == stored.part)
        low, high = (format_number(end, like=value) for end in (stored.low, stored.high))
        seeds = ", ".join(format_number(seed) for seed in stored.values)
        cells = metric_title(stored.metric, stored.part), format_number(value), seeds, f"{low} to {high}"
        lines.append(f"| `{model.name}` {model.version} | {' | '.join(cells)} |")
    return "\n".join(lines)
