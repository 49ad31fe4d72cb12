"""`examine`: a sound set has no findings, and every problem of a bad one is found, with its file and a remedy."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cenet.data.io.read import fingerprint, read_image, read_label
from cenet.doctor.contact_sheet import MAX_TILES, draw_contact_sheet
from cenet.doctor.diagnosis import ClassShare
from cenet.doctor.examine import examine
from cenet.doctor.format import format_diagnosis
from cenet.errors import CenetError
from cenet.phantoms import write_phantoms

PROBLEMS = {}


def problem(severity, file, words, **options):
    """A problem breaks a set of six images; the doctor must find it in this file, with these words."""

    def keep(function):
        PROBLEMS[function.__name__.replace("_", " ")] = (function, severity, file, words, options)
        return function

    return keep


def image(folder, index=3):
    return folder / "images" / f"eye-{index}.png"


def mask(folder, index=3):
    return folder / "masks" / f"eye-{index}.png"


def remove(folder, index):
    for part in ("images", "masks", "regions"):
        (folder / part / f"eye-{index}.png").unlink()


def save(path, array):
    Image.fromarray(array).save(path)


@problem("error", "images/eye-3.png", "truncated")
def a_truncated_image(folder):
    image(folder).write_bytes(image(folder).read_bytes()[:800])


@problem("error", "masks/eye-3.png", "the file is empty")
def an_empty_label_file(folder):
    mask(folder).write_bytes(b"")


@problem("error", "regions/eye-3.png", "no undamaged")
def a_damaged_region(folder):
    (folder / "regions" / "eye-3.png").write_bytes(b"nonsense")


@problem("error", "images/eye-3.png", "it has no label")
def an_image_without_a_label(folder):
    mask(folder).unlink()


@problem("note", "masks", "no image for more.png")
def a_label_without_an_image(folder):
    shutil.copy(mask(folder), folder / "masks" / "more.png")


@problem("error", "data", "no image has a label")
def no_labels_at_all(folder):
    shutil.rmtree(folder / "masks")


@problem("error", "masks/eye-3.png", "its size is 32 x 24 px but the image has 64 x 48")
def a_label_of_another_size(folder):
    save(mask(folder), read_label(mask(folder))[::2, ::2])


@problem("error", "regions/eye-3.png", "its size is 64 x 24 pixels")
def a_region_of_another_size(folder):
    path = folder / "regions" / "eye-3.png"
    save(path, read_label(path)[::2])


@problem("error", "images/eye-3.png", "1 channel of uint8 where 5 of 6 images have 3 channels of uint8")
def a_grey_image_among_coloured_ones(folder):
    save(image(folder), read_image(image(folder))[..., 0])


@problem("error", "images/eye-3.png", "pixels has the same value")
def a_constant_image(folder):
    save(image(folder), np.full((48, 64, 3), 100, np.uint8))


@problem("error", "images/eye-3.png", "it has only 5 x 9 px")
def a_tiny_image(folder):
    for part in ("images", "masks", "regions"):
        path = folder / part / "eye-3.png"
        save(path, np.array(Image.open(path))[20:29, 20:25])


@problem("warning", "masks/eye-3.png", "no foreground")
def an_empty_label(folder):
    save(mask(folder), np.zeros((48, 64), np.uint8))


@problem("error", "masks/eye-0.png", "only background")
def nothing_but_empty_labels(folder):
    for index in range(6):
        save(mask(folder, index), np.zeros((48, 64), np.uint8))


@problem("error", "data", "every label is empty where pixels count")
def everything_is_drawn_outside_the_regions(folder):
    for index in range(6):
        save(mask(folder, index), np.pad(np.full((2, 64), 255, np.uint8), ((0, 46), (0, 0))))


@problem("warning", "masks/eye-3.png", "all of it is foreground")
def a_full_label(folder):
    save(mask(folder), np.full((48, 64), 255, np.uint8))


@problem("error", "masks/eye-3.png", "values 0, 100, 200")
def a_label_with_strange_values(folder):
    save(mask(folder), np.repeat(np.array([0, 100, 200, 255], np.uint8), 16)[None].repeat(48, 0))


@problem("warning", "images/eye-3.png", "its mean value is")
def an_image_much_darker_than_the_others(folder):
    save(image(folder), read_image(image(folder)) // 8)


@problem("warning", "images/eye-3.png", "it has 192 x 144 px where")
def an_image_much_larger_than_the_others(folder):
    for part in ("images", "masks", "regions"):
        path = folder / part / "eye-3.png"
        save(path, np.array(Image.open(path)).repeat(3, 0).repeat(3, 1))


@problem("error", "images/eye-3.png", "the same pixels as images/eye-1.png in another group")
def a_duplicate_in_another_group(folder):
    shutil.copy(image(folder, 1), image(folder))


@problem("error", "images/eye-3.png", "and their labels differ")
def a_duplicate_with_another_label(folder):
    shutil.copy(image(folder, 1), image(folder))
    save(mask(folder), read_label(mask(folder))[::-1])


@problem("warning", "images/eye-3.png", "the same pixels as images/eye-1.png", group_pattern="eye-[0245]|eye")
def a_duplicate_in_the_same_group(folder):
    shutil.copy(image(folder, 1), image(folder))


@problem("warning", "data", "3 groups")
def few_groups(folder):
    for index in (1, 3, 5):
        remove(folder, index)


@problem("error", "data", "1 group", group_pattern="eye")
def a_single_group(folder):
    pass


@problem("error", "--group-pattern (", "not a regular expression", group_pattern="(")
def a_bad_pattern(folder):
    pass


@problem("error", "--ignore-value 77", "no label holds this value", ignore_value=77)
def an_ignored_value_that_does_not_occur(folder):
    pass


@problem("error", "masks/eye-0.png", "255", num_classes=3)
def another_number_of_classes(folder):
    pass


@pytest.fixture
def data(images, tmp_path):
    return shutil.copytree(images, tmp_path / "data")


def find(diagnosis, severity, subject, words):
    return [f for f in diagnosis.findings if f.severity == severity and f.subject == subject and words in f.cause]


@pytest.fixture
def splits(data, tmp_path):
    """A split of the six images: three, two and one."""
    rows = [
        {"name": name, "group": name, "fingerprint": fingerprint(read_image(data / "images" / f"{name}.png"))}
        for name in (f"eye-{index}" for index in range(6))
    ]
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"train": rows[:3], "validation": rows[3:5], "test": rows[5:]}))
    return path


# A sound set --------------------------------------------------------------------------------------------------------


def test_a_sound_set_is_healthy(images):
    diagnosis = examine(images)
    assert diagnosis.findings == ()
    assert diagnosis.errors == 0


def test_a_diagnosis_counts_what_the_files_hold(images):
    diagnosis = examine(images)
    labels = [read_label(mask(images, index)) > 0 for index in range(6)]
    inside = np.zeros((48, 64), bool)
    inside[4:-4, 6:-6] = True
    assert (diagnosis.images, diagnosis.readable, diagnosis.labelled, diagnosis.groups) == (6, 6, 6, 6)
    assert diagnosis.sizes == {"64 x 48": 6}
    assert diagnosis.value_types == {"3 channels of uint8": 6}
    assert diagnosis.label_encoding == "0 -> background, 255 -> foreground"
    assert diagnosis.region_share == pytest.approx(inside.mean())
    share = np.mean([label[inside] for label in labels])
    assert diagnosis.classes == (ClassShare("foreground", pytest.approx(share), 6),)


def test_nested_classes_hold_those_inside_them(draw, tmp_path):
    draw(tmp_path / "data", num_classes=3, regions=False)
    labels = np.stack([read_label(mask(tmp_path / "data", index)) for index in range(6)])
    apart = examine(tmp_path / "data", num_classes=3).classes
    nested = examine(tmp_path / "data", num_classes=3, nested=True).classes
    assert [part.share for part in apart] == pytest.approx([np.mean(labels == k) for k in (1, 2)])
    assert [part.share for part in nested] == pytest.approx([np.mean(labels >= k) for k in (1, 2)])


def test_ignored_pixels_count_for_nothing(draw, tmp_path):
    draw(tmp_path / "data", regions=False)
    for index in range(6):
        values = read_label(mask(tmp_path / "data", index))
        values[:, 32:] = 77
        save(mask(tmp_path / "data", index), values)
    diagnosis = examine(tmp_path / "data", ignore_value=77)
    left = np.stack([read_label(mask(tmp_path / "data", index))[:, :32] for index in range(6)])
    assert diagnosis.classes[0].share == pytest.approx(np.mean(left == 255))
    assert "77 -> ignored" in diagnosis.label_encoding


def test_columns_without_annotation_are_counted(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "boundaries").mkdir()
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 255, (16, 12), np.uint8)
        save(tmp_path / "images" / f"{index}.png", pixels)
        rows = np.full((2, 12), [[4.0], [9.0]])
        rows[0, :index] = np.nan
        np.save(tmp_path / "boundaries" / f"{index}.npy", rows)
    diagnosis = examine(tmp_path, task="oct", num_classes=3)
    assert diagnosis.errors == 0
    assert diagnosis.unannotated_columns == 15


# Problems -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_found(name, data):
    damage, severity, file, words, options = PROBLEMS[name]
    damage(data)
    file = str(data) if file == "data" else file
    diagnosis = examine(data, **options)
    assert find(diagnosis, severity, file, words), format_diagnosis(diagnosis)
    assert all(finding.cause and finding.remedy for finding in diagnosis.findings)
    assert (diagnosis.errors > 0) == any(finding.severity == "error" for finding in diagnosis.findings)


def test_classes_are_counted_as_a_plan_counts_them_and_a_fixed_recipe_is_helped(draw, tmp_path):
    draw(tmp_path / "data", num_classes=3, regions=False)
    diagnosis = examine(tmp_path / "data")
    assert [part.name for part in diagnosis.classes] == ["class 1", "class 2"]
    (note,) = diagnosis.findings
    assert (note.severity, note.cause) == ("note", "3 classes are found, with the background")
    assert note.remedy.endswith("--num-classes 3")
    assert examine(tmp_path / "data", num_classes=3).findings == ()


@pytest.mark.parametrize("task", ["disc", "oct"])
def test_the_task_whose_layout_a_folder_has_is_named(task, tmp_path):
    write_phantoms(tmp_path / "data", task=task, count=6, seed=0, size_px=64)
    diagnosis = examine(tmp_path / "data")
    assert all(f"add --task {task}" in finding.remedy for finding in diagnosis.findings)
    assert diagnosis.errors > 0
    assert diagnosis.classes == ()
    assert examine(tmp_path / "data", task=task).errors == 0


def test_a_label_of_other_values_and_another_size_is_found_to_be_both(data):
    save(mask(data), np.repeat(np.array([0, 100, 200, 255], np.uint8), 8)[None].repeat(24, 0))
    causes = [finding.cause for finding in examine(data).findings if finding.subject == "masks/eye-3.png"]
    assert any("values 0, 100, 200" in cause for cause in causes)
    assert any("its size is 32 x 24 px" in cause for cause in causes)


def test_all_problems_are_found_and_not_only_the_first(data):
    image(data, 0).write_bytes(b"")
    image(data, 1).write_bytes(b"nonsense")
    mask(data, 2).write_bytes(b"")
    an_empty_label(data)
    files = {finding.subject for finding in examine(data).findings}
    assert {"images/eye-0.png", "images/eye-1.png", "masks/eye-2.png", "masks/eye-3.png"} <= files


def test_where_the_layout_is_wrong_the_images_are_examined_all_the_same(data):
    (data / "labels").mkdir()
    a_truncated_image(data)
    shutil.copy(image(data, 0), image(data, 1))
    diagnosis = examine(data)
    assert find(diagnosis, "error", "images/eye-3.png", "truncated")
    assert find(diagnosis, "error", "images/eye-1.png", "the same pixels as images/eye-0.png")
    assert diagnosis.images == 6
    assert diagnosis.groups is None


def test_an_empty_folder_is_one_finding(tmp_path):
    (tmp_path / "place").mkdir()
    diagnosis = examine(tmp_path / "place", output=tmp_path / "out")
    assert [finding.severity for finding in diagnosis.findings] == ["error"]
    assert read_image(tmp_path / "out" / "contact-sheet.png").ndim == 3


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_folder_is_refused_and_nothing_is_written(kind, tmp_path):
    if kind == "file":
        (tmp_path / "place").write_text("")
    with pytest.raises(CenetError) as error:
        examine(tmp_path / "place", output=tmp_path / "out")
    assert error.value.subject == str(tmp_path / "place")
    assert not (tmp_path / "out").exists()


# Splits -------------------------------------------------------------------------------------------------------------


def test_a_split_of_these_images_fits(data, splits):
    assert examine(data, splits=splits).findings == ()


def test_an_altered_and_a_missing_image_of_a_split_are_found(data, splits):
    save(image(data), 255 - read_image(image(data)))
    remove(data, 4)
    diagnosis = examine(data, splits=splits)
    assert find(diagnosis, "error", str(splits), "eye-3 has other pixels")
    assert find(diagnosis, "error", str(splits), "eye-4 is not among these images")


def test_images_in_no_part_of_a_split_are_found(data, splits):
    for part in ("images", "masks", "regions"):
        shutil.copy(data / part / "eye-3.png", data / part / "new.png")
    assert find(examine(data, splits=splits), "warning", str(splits), "new of these images are in no part")


def test_a_group_on_both_sides_of_a_split_is_found(data, splits):
    diagnosis = examine(data, splits=splits, group_pattern="eye-[0145]|eye")
    assert find(diagnosis, "error", str(splits), "the group eye is in train and in validation")
    assert not find(examine(data, splits=splits, group_pattern="eye-[2345]|eye"), "error", str(splits), "the group")


@pytest.mark.parametrize("content", ["", "[]", '{"train": []}'])
def test_a_file_that_is_no_split_is_a_finding(content, data, splits):
    splits.write_text(content)
    assert find(examine(data, splits=splits), "error", str(splits), "split")


# The report ---------------------------------------------------------------------------------------------------------


def test_the_report_holds_what_was_found(data, tmp_path):
    an_empty_label(data)
    diagnosis = examine(data, output=tmp_path / "a" / "out")
    assert sorted(path.name for path in diagnosis.output.glob("[!.]*")) == [
        "contact-sheet.png",
        "doctor.json",
        "doctor.md",
    ]
    written = (diagnosis.output / "doctor.json").read_text()
    assert str(tmp_path) not in written
    content = json.loads(written)
    assert content["images"] == 6
    assert [finding["subject"] for finding in content["findings"]] == ["masks/eye-3.png"]
    assert "| warning | masks/eye-3.png |" in (diagnosis.output / "doctor.md").read_text()


def test_nothing_is_written_without_an_output(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examine(images)
    assert list(tmp_path.iterdir()) == []


def test_the_contact_sheet_shows_at_most_so_many_images_and_those_with_findings_first(draw, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "cenet.doctor.examine.draw_contact_sheet",
        lambda tiles, **words: drawn.update(tiles=tiles) or draw_contact_sheet(tiles, **words),
    )
    draw(tmp_path / "data", count=MAX_TILES + 6, shape=(16, 16), regions=False)
    save(mask(tmp_path / "data", 9), np.zeros((16, 16), np.uint8))
    examine(tmp_path / "data", output=tmp_path / "out")
    assert len(drawn["tiles"]) == MAX_TILES
    assert [tile.name for tile in drawn["tiles"] if tile.remark] == ["eye-9"] == [drawn["tiles"][0].name]


def test_labels_are_drawn_on_the_contact_sheet(images, tmp_path):
    examine(images, output=tmp_path)
    sheet = read_image(tmp_path / "contact-sheet.png").astype(int)
    near = np.abs(sheet - (0, 238, 255)).max(axis=-1) < 12
    assert near.mean() > 0.01


def test_images_of_any_kind_come_onto_the_sheet(draw, tmp_path):
    draw(tmp_path / "data", channels=1, dtype=np.uint16)
    diagnosis = examine(tmp_path / "data", output=tmp_path / "out")
    assert diagnosis.value_types == {"1 channel of uint16": 6}
    assert read_image(tmp_path / "out" / "contact-sheet.png").std() > 10


def test_names_neither_steer_the_terminal_nor_break_the_table(data, tmp_path):
    for part in ("images", "masks", "regions"):
        (data / part / "eye-3.png").rename(data / part / "a|b\x1b[2J\n<b>.png")
    save(next((data / "masks").glob("a*")), np.zeros((48, 64), np.uint8))
    diagnosis = examine(data, output=tmp_path / "out")
    assert "\x1b" not in format_diagnosis(diagnosis)
    assert "warning  masks/a|b?[2J <b>.png: " in format_diagnosis(diagnosis)
    text = (tmp_path / "out" / "doctor.md").read_text()
    assert r"masks/a\|b?[2J \<b>.png" in text
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == [
        "contact-sheet.png",
        "doctor.json",
        "doctor.md",
    ]


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(images, tmp_path):
    (tmp_path / "file").write_text("mine")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CenetError) as refusal:
            examine(images, output=output)
        assert str(tmp_path / "file") in refusal.value.subject
        assert "--output" in refusal.value.remedy
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "options", [{"num_classes": 0}, {"num_classes": 300}, {"num_classes": 2, "nested": True}], ids=str
)
def test_an_impossible_number_of_classes_is_refused(options, images):
    with pytest.raises(CenetError) as refusal:
        examine(images, **options)
    assert refusal.value.subject == f"--num-classes {options['num_classes']}"


def test_it_needs_no_torch(images):
    code = "import sys; from pathlib import Path; from cenet.doctor.examine import examine; "
    code += f"examine(Path({str(images)!r}));"
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True)


def test_where_the_layout_is_wrong_no_label_is_taken_for_an_image(tmp_path):
    for place, shape in {"Images/ALL/eye.png": (20, 24, 3), "GT/eye/map.png": (20, 24)}.items():
        (tmp_path / place).parent.mkdir(parents=True)
        Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, np.uint8)).save(tmp_path / place)
    diagnosis = examine(tmp_path, task="disc")
    assert diagnosis.images == 1
    assert [finding.severity for finding in diagnosis.findings] == ["error"]
