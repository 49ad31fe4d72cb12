import csv
import io

import pytest
from drawn_reports import write_evaluation
from reports import write_report

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.compare import compare
from cenet.evaluation.report_scores import Score, TaskMetricScores
from cenet.reporting.comparison_text import format_comparison
from cenet.reporting.evaluation_text import format_evaluation
from cenet.reporting.files import format_evaluation_files, write_comparison_files, write_evaluation_files


@pytest.fixture
def report(tmp_path):
    report = write_evaluation(tmp_path / "scores", images=3, size_px=64, classes=("disc", "cup")).report
    metrics = (
        TaskMetricScores(metric="hd95", part="disc", per_image=Score(value=2), values=(1.0, 2.0, 3.0)),
        TaskMetricScores(metric="v_rand_challenge", pooled=Score(value=0.9)),
    )
    return report.model_copy(update={"task_metrics": metrics})


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_images_are_a_row_for_each_class_and_threshold(report):
    rows = read_csv(format_evaluation_files(report)["images.csv"])
    assert len(rows) == 2 * 3 * 2
    cup = [row for row in rows if (row["class"], row["threshold"]) == ("cup", "threshold 0.5")]
    for row, image in zip(cup, report.classes[1].images, strict=True):
        assert (row["image"], row["group"]) == (image.image, image.group)
        assert float(row["iou"]) == image.thresholds[1].scores["iou"]
        assert int(row["tp"]) == image.thresholds[1].counts.tp
        assert float(row["auc"]) == image.auc


def test_metrics_of_the_task_are_a_column_each_of_those_that_an_image_has(report):
    rows = read_csv(format_evaluation_files(report)["task_metrics.csv"])
    assert [row["image"] for row in rows] == [image.name for image in report.data.images]
    assert [float(row["hd95 disc"]) for row in rows] == [1, 2, 3]
    assert list(rows[0]) == ["image", "group", "hd95 disc"]


HOSTILE = "=cmd|'/C x'!A0\x1b[2J\n# <script>alert(1)</script> `rm` [a](http://b)"


def test_names_are_data_in_every_file(report):
    names = [image.model_copy(update={"name": HOSTILE, "group": "@A1"}) for image in report.data.images]
    data = report.data.model_copy(update={"images": tuple(names), "name": HOSTILE, "grouping": HOSTILE})
    runs = (report.runs[0].model_copy(update={"name": HOSTILE}),)
    classes = tuple(of_class.model_copy(update={"name": HOSTILE}) for of_class in report.classes)
    hostile = report.model_copy(update={"data": data, "runs": runs, "classes": classes})
    files = format_evaluation_files(hostile)
    text = "".join([*files.values(), format_evaluation(hostile)])
    assert text.replace("\n", "").isprintable()
    assert not [line for line in text.splitlines() if line.lstrip("> ").startswith("#")]
    assert r"=cmd\|'/C x'!A0?[2J # \<script>alert(1)\</script> \`rm\` [a]\(http://b)" in files["report.md"]
    for row in read_csv(files["task_metrics.csv"]) + read_csv(files["images.csv"]):
        assert row["image"].startswith("'=cmd") or row["class"].startswith("'=cmd")
        assert row["group"] == "'@A1" or row["class"].startswith("'=cmd")


def test_the_files_are_written_beside_the_report(report):
    write_evaluation_files(report, overlays=1)
    names = {path.name for path in report.folder.glob("[!.]*")}
    assert {"report.md", "images.csv", "task_metrics.csv"} <= names
    assert len([name for name in names if name.endswith("_overlay.png")]) == 1
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    assert text == format_evaluation(report, "markdown") + "\n"


def test_a_task_that_measures_nothing_has_no_file_for_it(report):
    assert "task_metrics.csv" not in format_evaluation_files(report.model_copy(update={"task_metrics": ()}))


def test_a_folder_that_cannot_be_written_is_refused(report, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CenetError):
        write_evaluation_files(report.model_copy(update={"folder": tmp_path / "file" / "deeper"}))


def test_a_comparison_is_a_text_and_two_plots(blank_plots, tmp_path):
    output = OutputFolder(tmp_path / "out", verb="compare")
    saved = compare([write_report(tmp_path, "a"), write_report(tmp_path, "b", seed=1)]).save(output)
    write_comparison_files(saved)
    files = {path.name for path in saved.folder.glob("[!.]*")}
    assert files == {"compare.json", "compare.md", "compare.svg", "compare.png"}
    text = (saved.folder / "compare.md").read_text(encoding="utf-8")
    assert text == format_comparison(saved, "markdown") + "\n"
