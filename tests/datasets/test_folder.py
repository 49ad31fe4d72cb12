import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cenet.datasets.folder import LABEL_ENDINGS, REGION_ENDINGS, format_list, group_from_name, natural_key, read_folder
from cenet.errors import CenetError


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_images_masks_and_regions_pair_by_name(tmp_path):
    make(
        tmp_path,
        "images/b.png",
        "images/a.tif",
        "masks/a.png",
        "masks/b.gif",
        "regions/a.png",
        "regions/b.png",
    )
    a, b = read_folder(tmp_path)
    assert (a.name, a.image, a.label, a.region, a.group) == (
        "a",
        tmp_path / "images" / "a.tif",
        (tmp_path / "masks" / "a.png",),
        tmp_path / "regions" / "a.png",
        "a",
    )
    assert (b.name, b.label) == ("b", (tmp_path / "masks" / "b.gif",))


@pytest.mark.parametrize("ending", LABEL_ENDINGS)
@pytest.mark.parametrize("kind", ["masks", "labels"])
def test_a_label_may_end_in_every_listed_ending(tmp_path, ending, kind):
    (sample,) = read_folder(make(tmp_path, "images/eye.v2.JPG", f"{kind}/eye.v2{ending}.PNG"))
    assert sample.name == "eye.v2"
    assert sample.label == (tmp_path / kind / f"eye.v2{ending}.PNG",)
    assert sample.region is None


def test_accents_of_one_or_two_characters_are_the_same_name(tmp_path):
    (sample,) = read_folder(make(tmp_path, "images/mu\u0308ller.png", "masks/m\u00fcller.png"))
    assert (sample.name, len(sample.label)) == ("m\u00fcller", 1)


@pytest.mark.parametrize("ending", REGION_ENDINGS)
def test_a_region_may_end_in_every_listed_ending(tmp_path, ending):
    (sample,) = read_folder(make(tmp_path, "images/eye.png", f"regions/eye{ending}.gif"))
    assert sample.region == tmp_path / "regions" / f"eye{ending}.gif"
    assert sample.label == ()


def test_without_masks_no_sample_has_a_label(tmp_path):
    samples = read_folder(make(tmp_path, "images/1.png", "images/2.png"))
    assert [sample.label for sample in samples] == [(), ()]


def test_names_are_sorted_as_people_count(tmp_path):
    names = ["eye10_b", "eye9", "eye10_a", "eye1", "10", "9", "a"]
    make(tmp_path, *(f"images/{name}.png" for name in names))
    assert [sample.name for sample in read_folder(tmp_path)] == [
        *("9", "10", "a", "eye1", "eye9", "eye10_a", "eye10_b")
    ]


@example(["01", "1"])
@given(st.lists(st.text(string.ascii_letters + string.digits + "_-²٣", max_size=8)))
def test_the_natural_order_is_total(names):
    backwards = names[::-1]  # "01" and "1" are the same number, and yet have an order
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_the_natural_order_of_numbered_names_is_that_of_numbers(numbers):
    names = [f"slice{number}.png" for number in numbers]
    assert sorted(names, key=natural_key) == [f"slice{number}.png" for number in sorted(numbers)]


def test_hidden_files_and_thumbnails_are_ignored(tmp_path):
    make(tmp_path, "images/a.png", "masks/a.png", "notes.txt")
    make(
        tmp_path,
        *(f"{place}/{name}" for place in ("images", "masks") for name in (".DS_Store", "Thumbs.db", "._a.png")),
    )
    assert [sample.name for sample in read_folder(tmp_path)] == ["a"]


BROKEN = {
    "images are missing": (["masks/a.png"], "it has no folder images"),
    "images is a file": (["images"], "it has no folder images"),
    "images is empty": (["images/.hidden"], "it contains no image"),
    "masks and labels": (["images/a.png", "masks/a.png", "labels/a.png"], "both masks and labels"),
    "masks is a file": (["images/a.png", "masks"], "masks: this is a file"),
    "regions is a file": (["images/a.png", "regions"], "regions: this is a file"),
    "a text among the images": (["images/a.png", "images/read.txt"], "read.txt: this is not an image"),
    "a text among the masks": (["images/a.png", "masks/read.txt"], "read.txt: this is not an image"),
    "a folder among the images": (["images/a.png", "images/b.png/c.png"], "b.png: this is not an image"),
    "two images of one name": (["images/a.png", "images/a.jpg"], "a.png: a.jpg has the same name"),
    "no folder of any image": (["a/image.png"], "it has no folder images"),
    "two images in the folder of one": (["a/images/a.png", "a/images/b.png"], "holds 2 images; keep exactly one"),
    "no image in the folder of one": (["a/images/.hidden", "b/images/b.png"], "holds 0 images"),
    "a text among the objects": (["a/images/a.png", "a/masks/1.txt"], "1.txt: this is not an image"),
    "a file next to class folders": (["images/a.png", "masks/a.png", "masks/cup/a.png"], "this file is beside"),
    "a class without a file": (["images/a.png", "masks/cup/a.png", "masks/disc/.hidden"], "no file for a.png"),
    "a class that lacks an image": (
        ["images/a.png", "images/b.png", "masks/cup/a.png", "masks/cup/b.png", "masks/disc/a.png"],
        "masks/disc: there is no file for b.png, which the other folders have",
    ),
    "a file of a class without image": (["images/a.png", "masks/cup/a.png", "masks/cup/b.png"], "no image for b.png"),
    "no label at all": (["images/a.png", "masks/.hidden"], "no file for a.png"),
    "a label without image": (["images/a.png", "masks/a.png", "masks/b.png"], "no image for b.png"),
    "an unknown ending": (["images/a.png", "masks/a_vessels.png"], "no file for a.png"),
    "a label in other letters": (["images/A.png", "masks/a.png"], "no file for A.png"),
    "two labels": (["images/a.png", "masks/a.png", "masks/a_mask.png"], "a_mask.png: a.png is for the same"),
    "two labels of one name": (["images/a.png", "masks/a.png", "masks/a.gif"], "a.png: a.gif is for the same"),
    "a label of two images": (["images/a.png", "images/a_seg.png", "masks/a_seg.png"], "images a_seg and a;"),
    "an image without region": (["images/a.png", "images/b.png", "regions/a.png"], "no file for b.png"),
    "a region without image": (["images/a.png", "regions/a.png", "regions/b.png"], "no image for b.png"),
    "two regions": (["images/a.png", "regions/a_fov.png", "regions/a_mask.png"], "is for the same image"),
    "a region that ends like a label": (["images/a.png", "regions/a_seg.png"], "no file for a.png"),
}  # fmt: skip


@pytest.mark.parametrize(("names", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_reported_in_one_sentence(tmp_path, names, cause):
    with pytest.raises(CenetError) as error:
        read_folder(make(tmp_path, *names))
    message = str(error.value)
    assert cause in message
    assert message.startswith(str(tmp_path))
    assert "; " in message
    assert "\n" not in message


def test_a_long_list_of_unpaired_files_is_cut_after_five(tmp_path):
    make(tmp_path, "masks/.hidden", *(f"images/{number}.png" for number in range(1, 13)))
    with pytest.raises(CenetError, match=r"no file for 1\.png, 2\.png, 3\.png, 4\.png, 5\.png and 7 more; "):
        read_folder(tmp_path)


def test_exactly_five_names_are_all_told():
    assert format_list("abcde") == "a, b, c, d, e"
    assert format_list("abcdef") == "a, b, c, d, e and 1 more"


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(CenetError, match="nowhere: there is no such folder; "):
        read_folder(tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder_is_reported(tmp_path):
    with pytest.raises(CenetError, match=r"data\.zip: this is a file, not a folder; "):
        read_folder(make(tmp_path, "data.zip") / "data.zip")


def test_an_image_may_lack_a_label_where_others_have_one(tmp_path):
    samples = read_folder(make(tmp_path, "images/a.png", "images/b.png", "masks/b.png"))
    assert [sample.label for sample in samples] == [(), (tmp_path / "masks" / "b.png",)]


def test_masks_may_hold_a_folder_for_each_class(tmp_path):
    make(tmp_path, "images/a.png", "images/b.png", "images/c.png", "masks/.DS_Store")
    for place in ("masks/disc", "masks/cup"):
        make(tmp_path, f"{place}/a.png", f"{place}/b_mask.png")
    a, b, c = read_folder(tmp_path)
    assert a.classes == b.classes == ("cup", "disc")
    assert b.label == (tmp_path / "masks" / "cup" / "b_mask.png", tmp_path / "masks" / "disc" / "b_mask.png")
    assert (c.label, c.classes) == ((), ())


def test_each_image_may_have_a_folder_with_a_mask_for_each_object(tmp_path):
    make(tmp_path, "id10/images/x.png", "id9/images/id.png", "id9/masks/2.png", "id9/masks/10.png", "classes.json")
    nine, ten = read_folder(tmp_path, group_pattern="[0-9]+")
    assert (nine.name, nine.group, ten.name, ten.label) == ("id9", "9", "id10", ())
    assert nine.label == (tmp_path / "id9" / "masks" / "2.png", tmp_path / "id9" / "masks" / "10.png")
    assert nine.classes == ()


def test_the_name_of_a_folder_keeps_its_dots(tmp_path):
    (sample,) = read_folder(make(tmp_path, "eye.v2/images/x.png"), group_pattern="v[0-9]")
    assert (sample.name, sample.group) == ("eye.v2", "v2")


@pytest.mark.parametrize(
    ("pattern", "group"),
    [
        ("p[0-9]+", "p07"),
        ("p([0-9]+)_([LR])", "07"),
        ("_(?:L|R)", "_L"),
        ("(?P<side>[LR])$", "L"),
        ("^.*$", "p07_L"),
    ],
)
def test_a_group_is_the_first_group_or_the_whole_match(tmp_path, pattern, group):
    (sample,) = read_folder(make(tmp_path, "images/p07_L.png"), group_pattern=pattern)
    assert sample.group == group


@pytest.mark.parametrize("pattern", ["q", "(q)?", "x*", "^()", "png"])
def test_a_name_in_which_no_group_is_found_is_reported(tmp_path, pattern):
    make(tmp_path, "images/p07_L.png")
    with pytest.raises(CenetError, match=r"p07_L\.png: --group-pattern .* finds no group in its name; "):
        read_folder(tmp_path, group_pattern=pattern)


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<a>", "a{2,1}"])
def test_an_invalid_expression_is_reported(tmp_path, pattern):
    make(tmp_path, "images/p07_L.png")
    with pytest.raises(CenetError, match="it is not a regular expression"):
        read_folder(tmp_path, group_pattern=pattern)


def test_without_an_expression_the_default_group_holds(tmp_path):
    assert group_from_name(tmp_path / "a.png", None, default="x") == "x"
