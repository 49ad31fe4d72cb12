"""`MODEL_CARD.md`: what a run's network is for, where it comes from, and what it scored on validation."""

from cenet.data.io.files import write_text
from cenet.inference.run import Run, format_thresholds

KEPT_WEIGHTS = {"best": "of epoch", "last": "of the last epoch,", "average": "averaged up to epoch"}


def write_model_card(run: Run) -> None:
    """Write `MODEL_CARD.md` into a run folder."""
    facts, recipe = run.facts, run.recipe
    encoder = f" with {recipe.encoder}" if recipe.network.startswith("cenet") else ""
    seed = f" (seed {recipe.seed})" if facts.epoch is not None else ""
    lines = [
        f"# {recipe.name}: {recipe.title or 'a segmentation network'}",
        "",
        "For research; not a medical device, and not for diagnosis.",
        "",
        f"- Network: {recipe.network}{encoder}",
        f"- Images: {facts.in_channels} channels of {facts.dtype}; classes: {', '.join(facts.classes)}",
        f"- Started from: {facts.started_from}",
        f"- Made by: `{facts.command}`{seed}",
    ]
    if split := run.split:
        counts = ", ".join(f"{len(names)} {part}" for part, names in split.parts.items())
        lines.append(f"- Images by part (`splits.json`): {counts}")
    if facts.epoch is not None:
        threshold = f", {format_thresholds(facts.thresholds)}" if facts.thresholds else ""
        kept = f"- Weights {KEPT_WEIGHTS[recipe.selection]} {facts.epoch + 1} of {recipe.epochs}{threshold}"
        if facts.validation_dice is None:
            lines.append(f"{kept}: all images were trained on, so none chose anything.")
        else:
            chosen = [*(["weights"] if recipe.selection == "best" else []), *(["threshold"] if threshold else [])]
            where = f", on which {' and '.join(chosen)} were chosen," if chosen else ""
            lines.append(
                f"{kept}. Dice on the validation part{where} is {facts.validation_dice:.4f}. "
                "That is not a test score; see `cenet evaluate`."
            )
        for point in facts.operating_points:
            views = "one view" if point.views == 1 else f"the mean of {point.views} views"
            at = f", {format_thresholds(point.thresholds)}" if point.thresholds else ""
            lines.append(f"- Probabilities of {views}{at}, {point.describe_calibration()}.")
            if processed := point.describe_post_processing():
                lines.append(f"- Of {views} {processed}.")
    if recipe.unverified:
        lines.append(f"- Not confirmed by the paper's record: {', '.join(recipe.unverified)}")
    lines += ["", "Use: `cenet predict RUN IMAGE --output DIR`, or in Python `cenet.load(RUN)(image)`."]
    write_text(run.path / "MODEL_CARD.md", "\n".join(lines))
