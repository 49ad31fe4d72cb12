"""The list of released models as text."""

from released import INFO

from cenet.reporting.models_text import format_models


def test_the_list_fits_a_terminal_and_names_images_once():
    (score,) = INFO.scores
    long = "photographs of three sets, each of them held out once"
    scores = (
        score.model_copy(update={"data": long}),
        score.model_copy(update={"data": long, "source": "DRIVE", "images": 3}),
        score.model_copy(update={"data": long, "metric": "iou", "value": 0.7}),
    )
    text = format_models([INFO.model_copy(update={"scores": scores})])
    assert max(map(len, text.splitlines())) <= 90
    assert text.count("photographs of three sets") == 1
    assert text.index("0.7000") < text.index("DRIVE")
    assert INFO.licence in text


def test_without_models_the_list_says_so():
    assert "No model is installed." in format_models([])
