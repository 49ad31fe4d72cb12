"""Scores refuse what they cannot mean, and are null in JSON where they are undefined."""

from math import isnan, nan

import pytest
from pydantic import ValidationError

from cenet.evaluation.report_scores import ImageThresholdScores, Score, ThresholdScores
from cenet.metrics import Counts


def test_what_is_undefined_is_null_in_json_and_nan_in_python():
    text = Score(value=nan, undefined=2).model_dump_json()
    assert '"value":null' in text
    assert isnan(Score.model_validate_json(text).value)


def test_a_score_comes_back_to_the_last_bit():
    score = Score(value=1 / 3, low=0.1 + 0.2, high=2 / 3, values=(1e-17, nan), threshold=0.41)
    assert Score.model_validate_json(score.model_dump_json()).model_dump_json() == score.model_dump_json()
    assert Score.model_validate_json(score.model_dump_json()).value == 1 / 3


@pytest.mark.parametrize(
    "fields", [{"low": 0.7, "high": 0.6}, {"sd": -0.1}, {"undefined": -1}, {"threshold": 1.1}, {"how": "t"}], ids=str
)
def test_a_score_that_cannot_be_is_refused(fields):
    with pytest.raises(ValidationError):
        Score(value=0.5, **fields)


def test_a_score_cannot_be_changed():
    with pytest.raises(ValidationError):
        Score(value=0.5).value = 0.6


@pytest.mark.parametrize(("counts", "dice"), [(Counts(-1, 0, 0, 0), 0.5), (Counts(1, 0, 0, 0), 1.5)])
def test_counts_and_shares_stay_where_they_can_be(counts, dice):
    with pytest.raises(ValidationError):
        ImageThresholdScores(counts=counts, scores={"dice": dice})


def test_a_mask_has_the_same_metrics_over_images_as_over_all_pixels():
    with pytest.raises(ValidationError):
        ThresholdScores(
            name="threshold 0.5", pooled={}, per_image={"dice": Score(value=1.0)}, counts=Counts(1, 2, 3, 4)
        )


def test_counts_are_an_object_in_json():
    scores = ThresholdScores(name="threshold 0.5", pooled={}, per_image={}, counts=Counts(1, 2, 3, 4))
    assert '"counts":{"tp":1,"fp":2,"fn":3,"tn":4}' in scores.model_dump_json()
    assert ThresholdScores.model_validate_json(scores.model_dump_json()) == scores
