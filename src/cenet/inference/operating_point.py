"""What the validation part decides of a run's predictions, for a number of views: how they become a mask."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cenet.config.recipe import Recipe
from cenet.inference.post_processing import NO_POST_PROCESSING, PostProcessing, PostProcessingTrial
from cenet.metrics.calibration import CalibrationTrial

Share = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(gt=0, le=1e6)]
Bias = Annotated[float, Field(ge=-3.5e38, le=3.5e38)]  # what single precision holds


class OperatingPoint(BaseModel):
    """Calibration, thresholds and post-processing of predictions that average a number of views of an image.

    The mean of eight views is smoother than one view, so each has its own.

    Args:
        views: Of how many flips and turns the probabilities are the mean.
        thresholds: Of each sigmoid map, after calibration; none for softmax maps.
        calibration: (scale, bias) of each sigmoid map, or of all softmax maps; empty where no correction is kept.
        trials: For each of these, what was tried and why it is kept or not.
        post_processing: What is done to the mask; to one of softmax maps nothing.
        post_processing_trials: For its smallest piece and its largest hole, likewise; none where nothing was tried.

    >>> OperatingPoint(thresholds=(0.42,)).views
    1
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    views: Literal[1, 2, 8] = 1
    thresholds: Annotated[tuple[Share, ...], Field(max_length=255)] = ()
    calibration: Annotated[tuple[tuple[Scale, Bias], ...], Field(max_length=255)] = ()
    trials: Annotated[tuple[CalibrationTrial, ...], Field(max_length=255)] = ()
    post_processing: PostProcessing = NO_POST_PROCESSING
    post_processing_trials: Annotated[tuple[PostProcessingTrial, ...], Field(max_length=2)] = ()

    def check_fits(self, recipe: Recipe) -> None:
        """Refuse a recipe of other maps.

        Args:
            recipe: The one beside `run.json`.

        Raises:
            ValueError: The number of thresholds or calibrations is not the recipe's, or softmax maps are
                post-processed.
        """
        counts = {
            "thresholds": (len(self.thresholds), (0, recipe.maps) if recipe.sigmoid else (0,)),
            "calibration": (len(self.calibration), (0, recipe.maps) if recipe.sigmoid else (0, 1)),
        }
        for name, (count, allowed) in counts.items():
            if count not in allowed:
                raise ValueError(f"{name} are {count} where the recipe has {allowed[-1]}")
        if not recipe.sigmoid and any(bias for _, bias in self.calibration):
            raise ValueError("softmax maps are calibrated without a bias")
        if not recipe.sigmoid and not self.post_processing.changes_nothing:
            raise ValueError("masks of softmax maps are not post-processed")

    def describe_calibration(self) -> str:
        """Say what was decided, and why, in a sentence.

        >>> trial = CalibrationTrial(5, 0.8, 0.1, log_loss_before=0.2, log_loss_after=0.21, margin=0.01)
        >>> OperatingPoint(trials=(trial,)).describe_calibration()
        'not calibrated: log loss of images that were left out 0.2000, calibrated 0.2100 (must fall by 0.0100)'
        """
        if not self.trials:
            return "not calibrated"
        return "; ".join(_describe_trial(trial) for trial in self.trials)

    def describe_post_processing(self) -> str | None:
        """Say what is done to masks, and why, in a sentence; None where nothing was tried.

        >>> OperatingPoint(post_processing_trials=(PostProcessingTrial(images=2),) * 2).describe_post_processing()
        'masks are not post-processed (pieces not kept: too few images (2) to try it on; holes not kept: ...'
        """
        if not self.post_processing_trials:
            return None
        trials = zip(("pieces", "holes"), self.post_processing_trials, strict=False)
        reasons = "; ".join(f"{step} {trial.describe()}" for step, trial in trials)
        return f"{self.post_processing.describe()} ({reasons})"


def _describe_trial(trial: CalibrationTrial) -> str:
    if trial.log_loss_before is None:
        return f"not calibrated: too few images ({trial.images}) to try it on"
    decision = f"calibrated (scale {trial.scale:.3g}, bias {trial.bias:.3g})" if trial.kept else "not calibrated"
    return (
        f"{decision}: log loss of images that were left out {trial.log_loss_before:.4f}, calibrated "
        f"{trial.log_loss_after:.4f} (must fall by {trial.margin:.4f})"
    )


def choose_operating_point(points: Sequence[OperatingPoint], views: int) -> OperatingPoint:
    """Return the operating point for a number of views, or else the first, which is of one view.

    >>> points = OperatingPoint(thresholds=(0.4,)), OperatingPoint(views=8, thresholds=(0.38,))
    >>> [choose_operating_point(points, views).thresholds for views in (1, 2, 8)]
    [(0.4,), (0.4,), (0.38,)]
    """
    return next((point for point in points if point.views == views), points[0] if points else OperatingPoint())
