"""Checks: images, labels, groups and duplicates that do not fit, judged from what was read."""

from pathlib import Path

import pytest

from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.doctor.checks import check_duplicates, check_groups, check_images, check_labels
from cenet.doctor.samples import ExaminedSample


def seen(name, **changed):
    sample = Sample(name, Path(f"{name}.png"), (Path(f"{name}-mask.png"),), group=changed.pop("group", ""))
    usual = {
        "shape": (48, 64),
        "value_type": "1 channel of uint8",
        "mean_value": 50.0,
        "image_fingerprint": name,
        "label_fingerprint": name,
    }
    return ExaminedSample(sample, **{**usual, "region_px": 100, "annotated_px": 100, "class_px": (10, 5), **changed})


def test_similar_images_are_no_finding():
    alike = [seen("a"), seen("b", mean_value=150.0, shape=(96, 128))]
    assert [*check_images(alike), *check_duplicates(alike), *check_images([])] == []


@pytest.mark.parametrize(("level", "count"), [(11.0, 1), (13.0, 0), (199.0, 0), (201.0, 1)])
def test_brightness_is_unusual_from_four_times(level, count):
    assert len(list(check_images([*map(seen, "abcd"), seen("e", mean_value=level)]))) == count


@pytest.mark.parametrize(("severity", "group"), [("warning", "one"), ("error", "two")])
def test_copies_weigh_more_in_different_groups(severity, group):
    copies = [
        seen("a", group="one", image_fingerprint="x"),
        seen("b", group=group, image_fingerprint="x", label_fingerprint="a"),
    ]
    (finding,) = check_duplicates(copies)
    assert (finding.severity, finding.subject) == (severity, "b.png")
    assert "a.png" in finding.cause
    assert "labels differ" not in finding.cause


@pytest.mark.parametrize(("count", "severity"), [(1, "error"), (2, "error"), (3, "warning"), (4, "warning"), (5, None)])
def test_few_groups_cannot_be_divided(count, severity):
    images = [seen(f"{group}{number}", group=group) for group in "abcde"[:count] for number in range(3)]
    findings = list(check_groups(Path("data"), [image.sample for image in images], images))
    assert [finding.severity for finding in findings] == [severity] * (severity is not None)


def test_a_class_in_few_groups_is_named_by_its_name():
    labels = LabelEncoding(kind="values", names=("disc", "cup"), values=((0,), (1,), (2,)))
    images = [seen(name, group=name[0], class_px=(9, 3 * (name[0] in "ab"))) for name in ("a1", "a2", "b1", "c1", "d1")]
    findings = list(check_labels(Path("data"), [image.sample for image in images], images, labels))
    assert [finding.cause for finding in findings] == ["cup occurs in 2 groups"]


def covering(name, share):
    return seen(name, annotated_px=100, class_px=(round(100 * share),))


FOREGROUND = LabelEncoding(kind="values", names=("vessel",), values=((0,), (255,)))


@pytest.mark.parametrize(
    ("shares", "subjects"),
    [
        ((0.88, 0.88, 0.9, 0.85), ["data"]),  # all of them are inverted
        ((0.12, 0.1, 0.88, 0.13), ["c-mask.png"]),  # one of them is
        ((0.2, 0.3, 0.55, 0.4), []),  # a large object
        ((0.12, 0.1, 0.4, 0.13), []),
    ],
)
def test_masks_that_may_be_inverted_are_found(shares, subjects):
    images = [covering(name, share) for name, share in zip("abcd", shares, strict=True)]
    findings = list(check_labels(Path("data"), [image.sample for image in images], images, FOREGROUND))
    assert [finding.subject for finding in findings] == subjects
    assert all(finding.severity == "warning" for finding in findings)


def test_many_images_of_unusual_brightness_share_their_cause_so_that_they_become_one_line():
    bright = [seen(f"bright-{number}", mean_value=210.0 + number) for number in range(11)]
    findings = list(check_images([*[seen(f"usual-{number}") for number in range(30)], *bright]))
    assert len(findings) == 11
    assert len({(finding.cause, finding.remedy) for finding in findings}) == 1


def test_a_label_of_which_nothing_counts_is_found():
    images = [seen("a"), seen("b", annotated_px=0, class_px=(0, 0))]
    findings = list(check_labels(Path("data"), [image.sample for image in images], images, None))
    assert [(finding.severity, finding.subject) for finding in findings] == [("warning", "b-mask.png")]
