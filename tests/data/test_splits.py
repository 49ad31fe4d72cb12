"""Splits and folds: no group is ever in two parts, every part has one, and no label of the test part is opened."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cenet.config.presets import load_recipe
from cenet.data.make_splits import choose_test_groups, drop_own_split, make_folds, make_split
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Split
from cenet.data.statistics import DatasetStatistics
from cenet.errors import CenetError


def named(*groups):
    paths = [Path("images", f"{number}_{group}.png") for number, group in enumerate(groups)]
    return [Sample(path.stem, path, group=str(group)) for path, group in zip(paths, groups, strict=True)]


def statistics_of(samples, contents=None):
    """The statistics of samples whose groups hold these classes."""
    pixels = {sample.name: dict.fromkeys((contents or {}).get(sample.group, (0,)), 10) for sample in samples}
    labels = {sample.name: f"label of {sample.name}" for sample in samples}
    return DatasetStatistics(3, "uint8", {}, {}, labels, pixels)


def divided(samples, recipe, contents=None):
    prints = {sample.name: f"pixels of {sample.name}" for sample in samples}
    statistics = statistics_of(samples, contents)
    return make_split(
        samples, recipe, tests=choose_test_groups(samples, recipe), fingerprints=prints, statistics=statistics
    )


def recipe(**changes):
    return load_recipe("folder").replace(selection="last", patience=None, **changes)


# --- splits ------------------------------------------------------------------------------------------------

some_groups = st.lists(st.integers(0, 12), min_size=3, max_size=40).filter(lambda groups: len(set(groups)) >= 3)
a_fraction = st.sampled_from([0.1, 0.2, 0.3])
some_seed = st.integers(0, 2**32 - 1)
some_contents = st.dictionaries(st.integers(0, 12).map(str), st.sets(st.integers(0, 4)))


def groups_of(split):
    return {part: {split.groups[name] for name in split.parts[part]} for part in PARTS}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("first", ["c", "bdf", "abcdefghijk"])
def test_groups_validate_first_that_are_asked_to(seed, first):
    samples, settings = named(*"abcdefghijk"), recipe(seed=seed, validation_fraction=0.3, test_fraction=0)
    prints = {sample.name: sample.name for sample in samples}
    options = {"tests": set(), "fingerprints": prints, "statistics": statistics_of(samples)}
    chosen = groups_of(make_split(samples, settings, validate_first=set(first), **options))["validation"]
    assert len(chosen) == 3
    assert chosen <= set(first) or chosen >= set(first)


@given(some_groups, some_seed, a_fraction | st.just(0), a_fraction | st.just(0), some_contents)
def test_a_split_covers_all_and_keeps_every_group_on_one_side(groups, seed, test, validation, contents):
    samples = named(*groups)
    split = divided(samples, recipe(seed=seed, test_fraction=test, validation_fraction=validation), contents)
    assert sorted(name for names in split.parts.values() for name in names) == sorted(s.name for s in samples)
    assert split.groups == {sample.name: sample.group for sample in samples}
    assert split.fingerprints == {sample.name: f"pixels of {sample.name}" for sample in samples}
    sides = groups_of(split)
    assert sum(map(len, sides.values())) == len(set(groups))
    tests = max(round(test * len(set(groups))), 1) if test else 0
    assert len(sides["test"]) == tests
    validated = max(round(validation * (len(set(groups)) - tests)), 1) if validation else 0
    assert len(sides["validation"]) == validated
    assert sides["train"]


@given(some_groups, some_seed, st.randoms(), some_contents)
def test_the_order_of_the_samples_does_not_matter(groups, seed, random, contents):
    samples = named(*groups)
    shuffled = random.sample(samples, len(samples))
    one, two = (divided(order, recipe(seed=seed), contents) for order in (samples, shuffled))
    assert groups_of(one) == groups_of(two)
    assert {part: set(names) for part, names in one.parts.items()} == {part: set(n) for part, n in two.parts.items()}


def test_the_seed_decides_and_repeats():
    samples = named(*range(20))
    tests = [divided(samples, recipe(seed=seed)).parts["test"] for seed in (0, 0, 1, 2)]
    assert tests[0] == tests[1]
    assert len(set(tests)) == 3


@given(some_groups, some_seed, a_fraction | st.just(0), a_fraction)
def test_where_no_class_is_rare_groups_are_chosen_in_the_order_of_the_seed(groups, seed, test, validation):
    settings = recipe(seed=seed, test_fraction=test, validation_fraction=validation)
    order = sorted({str(group) for group in groups})
    np.random.default_rng(seed).shuffle(order)
    tests = max(round(test * len(order)), 1) if test else 0
    both = tests + max(round(validation * (len(order) - tests)), 1)
    everywhere = {group: {0, 1} for group in order}
    assert groups_of(divided(named(*groups), settings, everywhere)) == {
        "test": set(order[:tests]),
        "validation": set(order[tests:both]),
        "train": set(order[both:]),
    }


@pytest.mark.parametrize("seed", range(20))
def test_a_class_that_two_groups_hold_is_learnt_and_validated(seed):
    samples, settings = named(*range(20)), recipe(seed=seed)
    tests = choose_test_groups(samples, settings)
    rare = sorted({sample.group for sample in samples} - tests)[:2]
    contents = {sample.group: {0, 1} | ({2} if sample.group in rare else set()) for sample in samples}
    groups = groups_of(divided(samples, settings, contents))
    assert groups["test"] == tests
    assert {part: len(groups[part] & set(rare)) for part in PARTS} == {"train": 1, "validation": 1, "test": 0}


@pytest.mark.parametrize("seed", range(5))
def test_a_class_that_one_group_holds_is_learnt_unless_it_is_in_the_test(seed):
    samples = named(*range(20))
    contents = {sample.group: {0, 1} for sample in samples}
    plain = divided(samples, recipe(seed=seed), contents)
    for group in ("3", "14"):
        split = divided(samples, recipe(seed=seed), contents | {group: {0, 1, 2}})
        assert group not in groups_of(split)["validation"]
        assert group in groups_of(plain)["validation"] or split == plain


def test_two_images_of_a_group_are_no_two_groups_with_a_class():
    samples = named(*sorted([*range(10), *range(10)]))
    contents = {str(group): {0, 1} for group in range(10)}
    plain = divided(samples, recipe(), contents)
    assert divided(samples, recipe(), contents | {"4": {0, 1, 2}}) == plain


def test_where_not_every_class_can_be_on_both_sides_the_fewest_are_missing():
    # one group of three validates; three pairs of groups hold a class of their own each, and so one class must lack
    contents = {"a": {0, 1, 2}, "b": {0, 2, 3}, "c": {0, 1, 3}, "d": {0}}
    for seed in range(10):
        groups = groups_of(divided(named(*"abcd"), recipe(seed=seed, test_fraction=0), contents))
        assert groups["validation"] != {"d"}


@given(some_groups, some_seed, a_fraction, some_contents)
def test_held_out_groups_are_those_of_the_test_part_whatever_the_labels_hold(groups, seed, test, contents):
    samples, settings = named(*groups), recipe(seed=seed, test_fraction=test)
    tests = choose_test_groups(samples, settings)
    assert groups_of(divided(samples, settings, contents))["test"] == tests
    assert choose_test_groups(list(reversed(samples)), settings) == tests


def test_no_file_is_opened_to_choose_the_test_part(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a file was opened")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    samples = [Sample(name, Path("nowhere", name), (Path("nowhere", f"{name}_label"),)) for name in "abcdefghij"]
    assert len(choose_test_groups(samples, recipe())) == 2
    assert choose_test_groups(samples, recipe(test_fraction=0)) == set()


@given(st.integers(1, 12), st.floats(0, 0.99), st.floats(0.01, 0.99) | st.just(0))
def test_groups_are_too_few_only_where_none_is_left_to_train_on(count, test, validation):
    tests = max(round(test * count), 1) if test else 0
    validations = max(round(validation * (count - tests)), 1) if validation else 0
    settings = recipe(test_fraction=test, validation_fraction=validation)
    samples = named(*range(count))
    if tests + validations < count:
        sides = groups_of(divided(samples, settings))
        assert [len(sides[part]) for part in PARTS] == [count - tests - validations, validations, tests]
    elif count - tests < (2 if validation else 1):
        others = "one for validation and one for training" if validation else "one for training"
        message = f"^images: {count} groups are too few for {tests} in the test part, {others}"
        remedy = "or lower --test-fraction$" if tests else "or train without validation: --validation-fraction 0 .*"
        with pytest.raises(CenetError, match=f"{message}; add images, {remedy}"):
            choose_test_groups(samples, settings)
    else:
        message = f"^images: {count - tests} groups outside the test part are too few for {validations} for validation"
        with pytest.raises(CenetError, match=message + " and one for training; .* --validation-fraction$"):
            divided(samples, settings)


@pytest.mark.parametrize(("groups", "test_fraction"), [("a", 0), ("aaa", 0.2), ("ab", 0.2), ("abab", 0.2)])
def test_too_few_groups_are_reported_however_many_images_they_have(groups, test_fraction):
    with pytest.raises(CenetError, match=f"^images: {len(set(groups))} groups are too few "):
        divided(named(*groups), recipe(test_fraction=test_fraction))


def test_without_a_test_part_two_groups_are_enough():
    split = divided(named("a", "b"), recipe(test_fraction=0))
    assert [len(split.parts[part]) for part in PARTS] == [1, 1, 0]


# --- folds -------------------------------------------------------------------------------------------------


@given(some_groups, some_seed, st.integers(2, 13), some_contents)
def test_every_group_is_in_one_fold_and_folds_are_of_nearly_equal_size(groups, seed, count, contents):
    samples, names = named(*groups), {str(group) for group in groups}
    if count > len(names) or len(names) - -(-len(names) // count) < 2:
        with pytest.raises(CenetError, match=rf"^images: {len(names)} groups .*; .*add images$"):
            make_folds(samples, count, seed=seed, statistics=statistics_of(samples, contents))
        return
    folds = make_folds(samples, count, seed=seed, statistics=statistics_of(samples, contents))
    assert len(folds) == count
    assert sorted(group for fold in folds for group in fold) == sorted(names)
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= 1 <= min(sizes)


@given(some_groups, some_seed, st.randoms())
def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_samples(groups, seed, random):
    samples = [*named(*groups), *named(20, 21)]
    shuffled = random.sample(samples, len(samples))
    one, two = (make_folds(order, 3, seed=seed, statistics=statistics_of(order)) for order in (samples, shuffled))
    assert one == two


def test_another_seed_deals_other_folds():
    samples = named(*range(20))
    folds = [make_folds(samples, 5, seed=seed, statistics=statistics_of(samples)) for seed in (0, 0, 1)]
    assert folds[0] == folds[1] != folds[2]


@pytest.mark.parametrize("seed", range(10))
def test_a_class_that_as_many_groups_as_folds_hold_is_in_every_fold(seed):
    samples = named(*range(20))
    contents = {sample.group: {0, 1} | ({2} if sample.group in ("2", "5", "11") else set()) for sample in samples}
    folds = make_folds(samples, 3, seed=seed, statistics=statistics_of(samples, contents))
    assert [len(fold & {"2", "5", "11"}) for fold in folds] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_a_class_that_fewer_groups_hold_is_in_as_many_folds_as_it_can_be(seed):
    samples = named(*range(20))
    contents = {sample.group: {0, 1} | ({2} if sample.group in ("2", "5") else set()) for sample in samples}
    folds = make_folds(samples, 5, seed=seed, statistics=statistics_of(samples, contents))
    assert Counter(len(fold & {"2", "5"}) for fold in folds) == {1: 2, 0: 3}


def test_a_class_that_one_group_holds_leaves_the_folds_as_they_are():
    samples = named(*range(20))
    plain = make_folds(samples, 5, seed=0, statistics=statistics_of(samples))
    for group in ("2", "5", "11"):
        assert make_folds(samples, 5, seed=0, statistics=statistics_of(samples, {group: {0, 1}})) == plain


@pytest.mark.parametrize(
    ("groups", "count", "message"),
    [
        ("abc", 4, "3 groups cannot make 4 folds; choose --folds 3, or add images"),
        ("abcaab", 1, "3 groups cannot make 1 folds; choose --folds 3, or add images"),
        ("ab", 2, "2 groups in 2 folds leave too few to train and validate on; add images"),
        ("abc", 2, "3 groups in 2 folds leave too few to train and validate on; choose --folds 3, or add images"),
    ],
)
def test_folds_that_cannot_be_are_reported(groups, count, message):
    samples = named(*groups)
    with pytest.raises(CenetError) as error:
        make_folds(samples, count, seed=0, statistics=statistics_of(samples))
    assert str(error.value) == f"images: {message}"


# --- splits.json -------------------------------------------------------------------------------------------


def test_a_split_reads_back_as_it_was_written(tmp_path):
    samples = named(*"abcdeé", "a")
    split = divided(samples, recipe())
    path = tmp_path / "splits.json"
    path.write_text(split.to_json(), encoding="utf-8")
    assert Split.from_json(path) == split
    assert json.loads(split.to_json()).keys() == set(PARTS)


ROW = '{"name": "a", "group": "a", "fingerprint": "1"}'
BROKEN = {
    "empty": "",
    "no JSON": "{train",
    "a list": "[]",
    "no part": "{}",
    "a part missing": '{"train": [], "validation": []}',
    "a part that is no list": '{"train": 1, "validation": [], "test": []}',
    "a part that is null": '{"train": null, "validation": [], "test": []}',
    "rows that are names": '{"train": ["a"], "validation": [], "test": []}',
    "a row without group": '{"train": [{"name": "a", "fingerprint": "1"}], "validation": [], "test": []}',
    "a row without fingerprint": '{"train": [{"name": "a", "group": "a"}], "validation": [], "test": []}',
    "a name that is a list": '{"train": [' + ROW.replace('"a"', "[]") + '], "validation": [], "test": []}',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_split_is_reported(tmp_path, content):
    path = tmp_path / "splits.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CenetError, match=r"splits\.json: it is not a split; "):
        Split.from_json(path)


def test_a_file_that_is_no_text_is_reported(tmp_path):
    path = tmp_path / "splits.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CenetError, match=r"splits\.json: it is not a split; "):
        Split.from_json(path)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(CenetError, match=r"nowhere\.json: the file cannot be read \(No such file or directory\); "):
        Split.from_json(tmp_path / "nowhere.json")


SIDES = [("train", "test"), ("train", "validation"), ("validation", "test")]


def with_twins(sides):
    """The names of each part; `left` and `right` lie on these two sides."""
    parts = {"train": ["a"], "validation": ["b"], "test": ["c"]}
    parts[sides[0]].append("left")
    parts[sides[1]].append("right")
    return {part: tuple(names) for part, names in parts.items()}


@pytest.mark.parametrize("sides", SIDES)
def test_a_group_on_two_sides_is_refused(sides):
    groups = dict(zip("abc", "abc", strict=True)) | {"left": "patient 7", "right": "patient 7"}
    with pytest.raises(CenetError, match=f"patient 7: the split has it in {sides[0]} and in {sides[1]}; "):
        Split(with_twins(sides), groups, {name: name for name in groups})


@pytest.mark.parametrize("sides", SIDES)
def test_the_same_image_under_two_names_is_refused_on_two_sides(sides):
    names = ("a", "b", "c", "left", "right")
    prints = {name: name for name in names} | {"left": "same", "right": "same"}
    with pytest.raises(CenetError, match=f"the same image, one in {sides[0]} and one in {sides[1]}"):
        Split(with_twins(sides), {name: name for name in names}, prints)


@pytest.mark.parametrize(("group", "duplicates"), [("right", [("train", "left", "right")]), ("left", [])])
def test_the_same_image_twice_on_one_side_is_no_leak_but_reported_where_it_makes_two_groups(group, duplicates):
    parts = {"train": ("left", "right"), "validation": ("b",), "test": ()}
    names = {name: name for names in parts.values() for name in names}
    split = Split(parts, names | {"right": group}, names | {"left": "same", "right": "same"})
    assert split.part_of("same") == "train"
    assert list(split.duplicates()) == duplicates


def test_a_split_without_training_is_refused():
    parts = {"train": (), "validation": ("b",), "test": ("c",)}
    with pytest.raises(CenetError, match="no image for train; "):
        Split(parts, dict(zip("abc", "abc", strict=True)), dict(zip("abc", "123", strict=True)))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"train": "aa", "validation": "bb", "test": "ac"}, "a: the split has it in train and in test; "),
        ({"train": "", "validation": "bb", "test": "cc"}, "no image for train; "),
    ],
    ids=["a leak", "nothing to train on"],
)
def test_a_file_whose_split_is_refused_is_named(tmp_path, content, cause):
    rows = {
        part: [{"name": f"{part} {name}", "group": name[0], "fingerprint": f"{part} {name}"}] if name else []
        for part, name in content.items()
    }
    path = tmp_path / "splits.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(CenetError, match=cause) as error:
        Split.from_json(path)
    assert str(error.value).startswith(f"{path}: ")


def test_the_part_of_an_image_follows_from_its_pixels():
    split = Split({"train": ("a",), "validation": ("b",), "test": ("c",)}, dict(zip("abc", "abc", strict=True)), {
        "a": "11", "b": "22", "c": "33", "dropped": "44",
    })  # fmt: skip
    assert [split.part_of(name) for name in ("11", "22", "33")] == list(PARTS)
    assert split.part_of("44") is None
    assert split.part_of("55") is None


# The data set's own split -------------------------------------------------------------------------------------------


def with_parts(*parts):
    return [replace(sample, part=part) for sample, part in zip(named(*range(len(parts))), parts, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_the_own_split_of_a_data_set_is_kept(seed):
    samples = with_parts("test", "train", "validation", "train", "test")
    split = divided(samples, recipe(seed=seed))
    for part in PARTS:
        assert split.parts[part] == tuple(sample.name for sample in samples if sample.part == part)


def test_without_a_validation_part_of_its_own_one_is_drawn_outside_the_test_part():
    samples = with_parts("test", *["train"] * 9)
    split = divided(samples, recipe())
    assert split.parts["test"] == (samples[0].name,)
    assert len(split.parts["validation"]) == 2
    assert len(split.parts["train"]) == 7


def test_without_a_test_part_of_its_own_none_is_held_out():
    assert divided(with_parts("train", "train", "validation"), recipe(test_fraction=0.5)).parts["test"] == ()


def test_a_group_in_two_parts_of_a_data_set_is_refused():
    samples = [replace(sample, group="p1") for sample in with_parts("train", "test", "train")]
    with pytest.raises(CenetError) as error:
        choose_test_groups(samples, recipe())
    assert error.value.subject == "group p1"


def test_folds_leave_the_own_test_part_of_a_data_set_held_out():
    samples = drop_own_split(with_parts("test", "train", "validation", "train"))
    assert [sample.part for sample in samples] == [None] * 3


def test_a_data_set_with_nothing_to_learn_from_is_refused():
    samples = with_parts("validation", "test")
    with pytest.raises(CenetError, match="no image for training"):
        divided(samples, recipe())
