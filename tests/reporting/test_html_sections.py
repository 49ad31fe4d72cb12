import pytest
from drawn_reports import run_info, write_evaluation

from cenet.evaluation.report_files import load_evaluation
from cenet.reporting.html_sections import build_section, describe_kept_epoch

pytestmark = pytest.mark.usefixtures("blank_plots")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sections") / "mine" / "evaluation-out-of-fold-region"
    write_evaluation(folder, images=4, size_px=64, folds=2, classes=("disc", "cup"), cases=False)
    return folder


def test_a_section_has_a_part_for_each_class_and_the_first_threshold_first(folder):
    section = build_section("report-1", load_evaluation(folder), cases=())
    assert [part.scores.name for part in section.classes] == ["disc", "cup"]
    assert list(section.classes[0].blocks) == [
        "At the validation threshold",
        "Of the probabilities",
        "At the threshold 0.5",
    ]
    assert list(section.classes[0].averages) == ["per_image", "folds", "pooled"]
    assert [tile.title for tile in section.classes[0].tiles][:2] == ["Dice", "IoU"]


def test_several_runs_are_called_after_the_folder_around_them_and_one_after_itself(folder, tmp_path):
    assert build_section("report-1", load_evaluation(folder), cases=()).title == "mine"
    write_evaluation(tmp_path / "one", images=2, size_px=64, cases=False)
    assert build_section("report-1", load_evaluation(tmp_path / "one"), cases=()).title == "eyes"


def test_settings_are_those_of_all_runs_in_words(folder, tmp_path):
    section = build_section("report-1", load_evaluation(folder), cases=())
    assert section.settings["seed"] == ("0", "1")
    runs = [run_info("eyes", "..", settings={"rmp": True, "dac": None, "scales": [], "classes": ["a", "b"]})]
    write_evaluation(tmp_path / "one", images=2, size_px=64, runs=runs, cases=False)
    section = build_section("report-1", load_evaluation(tmp_path / "one"), cases=())
    assert section.settings == {"rmp": ("yes",), "dac": ("none",), "scales": ("none",), "classes": ("a, b",)}


@pytest.mark.parametrize(
    ("selection", "words"), [("best", "the best on"), ("last", "the last"), ("average", "a moving average")]
)
def test_which_weights_were_kept_is_what_the_recipe_says(selection, words):
    run = run_info("eyes", "..", settings={"selection": selection})
    assert words in describe_kept_epoch([run, run])
    assert describe_kept_epoch([run_info("eyes", "..", settings={})]) == ""
