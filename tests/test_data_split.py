"""Splits: no group is ever on two sides, and every part has one."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cenet.data import PARTS, Split, split
from cenet.errors import CenetError
from cenet.recipe import load_recipe
from cenet.tasks import Sample


def named(*groups):
    paths = [Path("images", f"{number}_{group}.png") for number, group in enumerate(groups)]
    return [Sample(path.stem, path, group=str(group)) for path, group in zip(paths, groups, strict=True)]


def divided(samples, recipe):
    return split(samples, recipe, {sample.name: f"pixels of {sample.name}" for sample in samples})


def recipe(**changes):
    return load_recipe("folder").replace(**changes)


some_groups = st.lists(st.integers(0, 12), min_size=3, max_size=40).filter(lambda groups: len(set(groups)) >= 3)
a_fraction = st.sampled_from([0.1, 0.2, 0.3])
some_seed = st.integers(0, 2**32 - 1)


def groups_of(found):
    return {part: {found.groups[name] for name in found.parts[part]} for part in PARTS}


@given(some_groups, some_seed, a_fraction | st.just(0), a_fraction)
def test_a_split_covers_all_and_keeps_every_group_on_one_side(groups, seed, test, validation):
    samples = named(*groups)
    found = divided(samples, recipe(seed=seed, test_fraction=test, validation_fraction=validation))
    assert sorted(name for names in found.parts.values() for name in names) == sorted(s.name for s in samples)
    assert found.groups == {sample.name: sample.group for sample in samples}
    assert found.fingerprints == {sample.name: f"pixels of {sample.name}" for sample in samples}
    sides = groups_of(found)
    assert sum(map(len, sides.values())) == len(set(groups))
    tests = max(round(test * len(set(groups))), 1) if test else 0
    assert len(sides["test"]) == tests
    assert len(sides["validation"]) == max(round(validation * (len(set(groups)) - tests)), 1)
    assert sides["train"]


@given(some_groups, some_seed, st.randoms())
def test_the_order_of_the_samples_does_not_matter(groups, seed, random):
    samples = named(*groups)
    shuffled = random.sample(samples, len(samples))
    one, two = (divided(each, recipe(seed=seed)) for each in (samples, shuffled))
    assert groups_of(one) == groups_of(two)
    assert {part: set(names) for part, names in one.parts.items()} == {part: set(n) for part, n in two.parts.items()}


def test_the_seed_decides_and_repeats():
    samples = named(*range(20))
    tests = [divided(samples, recipe(seed=seed)).parts["test"] for seed in (0, 0, 1, 2)]
    assert tests[0] == tests[1]
    assert len(set(tests)) == 3


@given(st.integers(1, 12), st.floats(0, 0.99), st.floats(0.01, 0.99))
def test_groups_are_too_few_only_where_none_is_left_to_train_on(count, test, validation):
    tests = max(round(test * count), 1) if test else 0
    validations = max(round(validation * (count - tests)), 1)
    settings = recipe(test_fraction=test, validation_fraction=validation)
    if tests + validations < count:
        sides = groups_of(divided(named(*range(count)), settings))
        assert [len(sides[part]) for part in PARTS] == [count - tests - validations, validations, tests]
    else:
        told = f"^images: {count} groups are too few for {tests} in the test, {validations} in validation and one to"
        with pytest.raises(CenetError, match=told):
            divided(named(*range(count)), settings)


@pytest.mark.parametrize(("groups", "test_fraction"), [("a", 0), ("aaa", 0.2), ("ab", 0.2), ("abab", 0.2)])
def test_too_few_groups_are_told_however_many_images_they_have(groups, test_fraction):
    with pytest.raises(CenetError, match=f"^images: {len(set(groups))} groups are too few "):
        divided(named(*groups), recipe(test_fraction=test_fraction))


def test_without_a_test_part_two_groups_are_enough():
    found = divided(named("a", "b"), recipe(test_fraction=0))
    assert [len(found.parts[part]) for part in PARTS] == [1, 1, 0]


def test_a_split_reads_back_as_it_was_written(tmp_path):
    samples = named(*"abcdeé", "a")
    found = divided(samples, recipe())
    path = tmp_path / "splits.json"
    path.write_text(found.to_json(), encoding="utf-8")
    assert Split.from_json(path) == found
    assert json.loads(found.to_json()).keys() == set(PARTS)


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
def test_a_file_that_is_no_split_is_told(tmp_path, content):
    path = tmp_path / "splits.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CenetError, match=r"splits\.json: is no split of samples; "):
        Split.from_json(path)


def test_a_file_that_is_no_text_is_told(tmp_path):
    path = tmp_path / "splits.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CenetError, match=r"splits\.json: is no split of samples; "):
        Split.from_json(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(CenetError, match=r"nowhere\.json: cannot be read \(No such file or directory\); "):
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
    with pytest.raises(CenetError, match=f"has the group patient 7 in {sides[0]} and in {sides[1]}; "):
        Split(with_twins(sides), groups, {name: name for name in groups})


@pytest.mark.parametrize("sides", SIDES)
def test_the_same_picture_under_two_names_is_refused_on_two_sides(sides):
    names = ("a", "b", "c", "left", "right")
    prints = {name: name for name in names} | {"left": "same", "right": "same"}
    with pytest.raises(
        CenetError, match=f"left and right are the same picture, one in {sides[0]} and one in {sides[1]}; "
    ):
        Split(with_twins(sides), {name: name for name in names}, prints)


def test_the_same_picture_twice_on_one_side_is_no_leak():
    parts = {"train": ("left", "right"), "validation": ("b",), "test": ()}
    names = {name: name for names in parts.values() for name in names}
    assert Split(parts, names, names | {"left": "same", "right": "same"}).part_of("same") == "train"


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_split_without_training_or_validation_is_refused(part):
    parts = {"train": ("a",), "validation": ("b",), "test": ("c",), part: ()}
    with pytest.raises(CenetError, match=f"nothing for {part}; "):
        Split(parts, dict(zip("abc", "abc", strict=True)), dict(zip("abc", "123", strict=True)))


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"train": "aa", "validation": "bb", "test": "ac"}, "has the group a in train and in test; "),
        ({"train": "", "validation": "bb", "test": "cc"}, "has nothing for train; "),
    ],
    ids=["a leak", "nothing to train on"],
)
def test_a_file_whose_split_is_refused_is_named(tmp_path, content, cause):
    rows = {
        part: [{"name": f"{part} {each}", "group": each[0], "fingerprint": f"{part} {each}"}] if each else []
        for part, each in content.items()
    }
    path = tmp_path / "splits.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(CenetError, match=cause) as told:
        Split.from_json(path)
    assert str(told.value).startswith(f"{path}: ")


def test_the_part_of_an_image_follows_from_its_pixels():
    found = Split({"train": ("a",), "validation": ("b",), "test": ("c",)}, dict(zip("abc", "abc", strict=True)), {
        "a": "11", "b": "22", "c": "33", "dropped": "44",
    })  # fmt: skip
    assert [found.part_of(each) for each in ("11", "22", "33")] == list(PARTS)
    assert found.part_of("44") is None
    assert found.part_of("55") is None
