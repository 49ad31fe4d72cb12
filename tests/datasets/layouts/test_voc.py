"""Pascal VOC, and the masks of CVAT: the lists of the split, the classes of the colours, and what is refused."""

import pytest
from examples import NAMES, draw_image, write_voc
from PIL import Image

from cenet.datasets.layouts.detect import read_recognised
from cenet.errors import CenetError


@pytest.fixture
def voc(tmp_path):
    """Three images with masks, and lists of their parts."""

    def write(palette=True, **lists):
        write_voc(tmp_path, palette=palette)
        folder = tmp_path / "ImageSets" / "Segmentation"
        folder.mkdir(parents=True)
        for part, names in lists.items():
            (folder / f"{part}.txt").write_text("\n".join(names) + "\n")
        return tmp_path

    return write


def causes(contents):
    return " ".join(note.cause for note in contents.notes)


def test_the_lists_are_the_split_and_what_is_in_none_is_left_out(voc):
    contents = read_recognised(voc(train=["left"], val=["middle"], trainval=["left", "middle"]))
    assert [(sample.name, sample.part) for sample in contents.samples] == [("left", "train"), ("middle", "validation")]
    assert "in no list" in causes(contents)


def test_an_image_in_two_lists_is_refused(voc):
    with pytest.raises(CenetError, match="left is in train too") as caught:
        read_recognised(voc(train=NAMES, val=["left"]))
    assert caught.value.subject.endswith("val.txt")


def test_images_without_a_mask_and_colours_without_a_name_are_noted(voc):
    folder = voc()
    draw_image(folder / "JPEGImages" / "other-task.png", "left")
    (folder / "labelmap.txt").unlink()
    contents = read_recognised(folder)
    assert [sample.name for sample in contents.samples] == list(NAMES)
    assert "other-task.png" in causes(contents)
    assert "called by their numbers" in causes(contents)
    assert all(sample.declared is None for sample in contents.samples)


def test_of_two_folders_of_images_none_is_chosen(voc):
    folder = voc()
    draw_image(folder / "Thumbnails" / "left.png", "left")
    with pytest.raises(CenetError, match="JPEGImages, Thumbnails"):
        read_recognised(folder)


def test_a_class_whose_colour_is_not_in_the_palette_is_left_out(voc):
    folder = voc()
    with (folder / "labelmap.txt").open("a") as file:
        file.write("lesion:9,9,9::\n")
    declared = read_recognised(folder).samples[0].declared.classes
    assert [(item.name, item.value) for item in declared.classes] == [("disc", 1), ("cup", 2)]


BAD_LABELMAPS = {
    "no colour": ("disc:red::", "is no class with a colour"),
    "two numbers": ("disc:1,2::", "is no class with a colour"),
    "no byte": ("disc:0,0,256::", "is no class with a colour"),
    "background alone": ("background:0,0,0::", "names no class"),
    "one colour": ("disc:9,9,9::\ncup:9,9,9::", "the same colour"),
}


@pytest.mark.parametrize(("content", "cause"), BAD_LABELMAPS.values(), ids=BAD_LABELMAPS)
def test_a_bad_labelmap_is_refused(voc, content, cause):
    folder = voc(palette=False)
    (folder / "labelmap.txt").write_text(content)
    with pytest.raises(CenetError, match=cause) as caught:
        read_recognised(folder)
    assert caught.value.subject.endswith("labelmap.txt")


def test_a_mask_that_is_no_png_is_refused_where_its_palette_is_needed(voc):
    folder = voc()
    Image.new("L", (64, 48)).save(folder / "SegmentationClass" / "left.png", "BMP")
    with pytest.raises(CenetError, match="no undamaged PNG"):
        read_recognised(folder)
