"""What is wrong with the layout of a task: the doctor finds it once, with the right file and a remedy."""

import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.data.io.read import read_label
from cenet.doctor.examine import examine
from cenet.doctor.format import format_diagnosis
from cenet.phantoms import write_phantoms

OPTIONS = {"disc": {"num_classes": 3, "nested": True}, "oct": {"num_classes": 12}}
DAMAGES = {}


def damage(task, file, words, *, drawn=None, **options):
    """A damage breaks a set that a task reads; the doctor must find it in this file, with these words, once."""

    def keep(function):
        name = f"{task}: {function.__name__.replace('_', ' ')}"
        DAMAGES[name] = (function, drawn or task, task, file, words, {**OPTIONS.get(task, {}), **options})
        return function

    return keep


def second(folder):
    return sorted(folder.iterdir())[1]


def save_stack(path, slices):
    tifffile.imwrite(path, slices, photometric="minisblack")


def change_rows(folder, change):
    path = second(folder / "boundaries")
    rows = np.load(path)
    np.save(path, change(rows))


def change_slice(folder, change):
    path = second(folder / "images")
    tifffile.imwrite(path, change(tifffile.imread(path)), photometric="minisblack")


# Layouts of another task ------------------------------------------------------------------------------------------


@damage("drive", "data", "it has no folder training", drawn="vessels")
@damage("chase", "data", "it has no Image_01L.jpg", drawn="vessels")
@damage("nnunet", "data", "it has no dataset.json", drawn="vessels")
@damage("cells", "data", "train-volume.tif is missing", drawn="drive")
@damage("folder", "data", "add --task cells", drawn="cells")
@damage("lung", "data", "it has no folder images", drawn="cells")
@damage("disc", "data", "it has no folder Training or images", drawn="cells")
@damage("oct", "data", "it has no folder images", drawn="cells")
def of_another_task(folder):
    pass


# Plain folders, DRIVE and CHASE_DB1 -------------------------------------------------------------------------------


@damage("folder", "masks/fundus-000.png", "the label holds 255, which classes.json does not list", drawn="vessels")
def a_class_file_that_disagrees(folder):
    (folder / "classes.json").write_text('{"classes": [{"name": "vessel", "value": 1}]}')


@damage("drive", "training/mask/22_training_mask.gif", "No such file")
def no_field_of_view(folder):
    (folder / "training" / "mask" / "22_training_mask.gif").unlink()


@damage("drive", "training/images/22_training.tif", "it has no label")
@damage("chase", "Image_02R.jpg", "it has no label")
def no_manual(folder):
    for path in (*folder.rglob("22_manual1.gif"), *folder.rglob("Image_02R_1stHO.png")):
        path.unlink()


@damage("chase", "Image_02R.jpg", "there is no field of view")
def a_black_photograph(folder):
    Image.new("RGB", (96, 96)).save(folder / "Image_02R.jpg")


# Disc and cup -----------------------------------------------------------------------------------------------------


@damage("disc", "masks/cup", "there is no file for fundus-001.png")
def a_cup_is_missing(folder):
    second(folder / "masks" / "cup").unlink()


@damage("disc", "masks", "it holds cup")
def no_disc(folder):
    shutil.rmtree(folder / "masks" / "disc")


@damage("disc", "masks/cup/fundus-001.png", "some of cup lies outside disc")
def a_cup_beyond_its_disc(folder):
    path = second(folder / "masks" / "cup")
    Image.fromarray(np.full_like(read_label(path), 255)).save(path)


@damage("disc", "data", "pass --num-classes 3 --nested true", drawn="drishti", num_classes=1, nested=False)
def options_for_one_class(folder):
    pass


@damage("disc", "experts/2", "there is no file for fundus-001.png", drawn="experts", num_classes=1, nested=False)
def an_expert_is_missing(folder):
    second(folder / "experts" / "2").unlink()


@damage("disc", "data", "it has both masks and experts", drawn="experts", num_classes=1, nested=False)
def masks_beside_experts(folder):
    shutil.copytree(folder / "experts" / "1", folder / "masks" / "disc")


@damage("disc", "Training/GT/eye-1/SoftMap/eye-1_cupsegSoftmap.png", "this soft map is missing", drawn="drishti")
def a_soft_map_is_missing(folder):
    next(folder.rglob("eye-1_cupsegSoftmap.png")).unlink()


@damage("disc", "Training/GT", "it contains no soft map", drawn="drishti")
def no_soft_maps(folder):
    shutil.rmtree(folder / "Training" / "GT")


@damage("disc", "Training/Images", "it contains no photograph", drawn="drishti")
def no_photographs(folder):
    shutil.rmtree(folder / "Training" / "Images")


@damage("disc", "Training/GT/eye-1/SoftMap/eye-1_ODsegSoftmap.png", "the soft map holds 100, but", drawn="drishti")
def a_soft_map_of_other_values(folder):
    path = next(folder.rglob("eye-1_ODsegSoftmap.png"))
    Image.fromarray(np.full_like(read_label(path), 100)).save(path)


# Lungs ------------------------------------------------------------------------------------------------------------


@damage("lung", "images/patient-000_1.tif", "which cannot be Hounsfield units")
def integers_from_zero(folder):
    change_slice(folder, lambda hounsfield: (hounsfield.astype(int) + 1024).clip(0).astype(np.int16))


@damage("lung", "images/patient-000_1.tif", "its values reach from 0 to 1, which cannot be Hounsfield units")
def decimals_up_to_one(folder):
    change_slice(folder, lambda hounsfield: (hounsfield > 0).astype(np.float32))


@damage("lung", "data", "it has no folder masks")
def no_masks(folder):
    shutil.rmtree(folder / "masks")


@damage("lung", "data", "rename 2d_images to images")
def the_names_of_the_kaggle_set(folder):
    (folder / "images").rename(folder / "2d_images")


# Cells ------------------------------------------------------------------------------------------------------------


@damage("cells", "train-labels.tif", "it holds 13 slices, but train-volume.tif holds 14")
def stacks_of_unequal_length(folder):
    save_stack(folder / "train-labels.tif", tifffile.imread(folder / "train-labels.tif")[:-1])


@damage("cells", "data", "train-labels.tif is missing")
def no_labels(folder):
    (folder / "train-labels.tif").unlink()


@damage("cells", "train-labels.tif", "slice 2 of the label holds 7")
def a_strange_value_in_a_slice(folder):
    labels = tifffile.imread(folder / "train-labels.tif")
    labels[2, 3, 3] = 7
    save_stack(folder / "train-labels.tif", labels)


@damage("cells", "train-labels.tif", "its size is 96 x 50 px but the image has 96 x 96")
def labels_of_another_size(folder):
    save_stack(folder / "train-labels.tif", tifffile.imread(folder / "train-labels.tif")[:, :50])


@damage("cells", "classes.json", "the labels of task cells have a fixed meaning")
def a_class_file_where_none_is_needed(folder):
    (folder / "classes.json").write_text('{"classes": [{"name": "cell"}]}')


# Layers -----------------------------------------------------------------------------------------------------------


@damage("oct", "data", "it has no folder labels or boundaries")
def no_boundaries(folder):
    shutil.rmtree(folder / "boundaries")


@damage("oct", "boundaries/oct-001.npy", "boundary 5 lies above boundary 4 in column 7")
def boundaries_out_of_order(folder):
    def swap(rows):
        rows[:, 7] = [10, 20, 30, 50, 40, 60, 61, 62, 63, 64, 65]
        return rows

    change_rows(folder, swap)


@damage("oct", "boundaries/oct-001.npy", "boundary 11 is at row 500 in column 7, outside the image of 96 rows")
def a_boundary_off_the_image(folder):
    def move(rows):
        rows[-1, 7] = 500
        return rows

    change_rows(folder, move)


@damage("oct", "boundaries/oct-001.npy", "it has 50 columns, but the image has 96")
def rows_of_a_narrower_image(folder):
    change_rows(folder, lambda rows: rows[:, :50])


@damage("oct", "boundaries/oct-001.npy", "it has 5 boundaries, but boundaries/oct-000.npy has 11")
def a_number_of_boundaries_that_differs(folder):
    change_rows(folder, lambda rows: rows[:5])


@damage("oct", "boundaries/oct-001.npy", "this is no undamaged .npy file")
def a_damaged_file_of_rows(folder):
    second(folder / "boundaries").write_bytes(b"nonsense")


@damage("oct", "data", "pass --num-classes 12", num_classes=10)
def another_number_of_classes(folder):
    pass


@damage("oct", "pixels.json", "height_um")
def a_pixel_size_that_says_nothing(folder):
    (folder / "pixels.json").write_text("{}")


# The tests --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A set for each task, drawn from a seed, in the layout in which it is distributed."""
    root = tmp_path_factory.mktemp("sets")
    for task in ("vessels", "disc", "lung", "cells", "oct"):
        write_phantoms(root / task, task=task, count=14 if task == "cells" else 6, seed=0, size_px=96)
    drive, drishti = root / "drive" / "training", root / "drishti" / "Training"
    for place in (drive / "images", drive / "1st_manual", drive / "mask", root / "chase", drishti / "Images"):
        place.mkdir(parents=True)
    for number, path in enumerate(sorted((root / "vessels" / "images").iterdir())):
        image, label, region = (
            Image.open(root / "vessels" / part / path.name) for part in ("images", "masks", "regions")
        )
        image.save(drive / "images" / f"{number + 21}_training.tif")
        label.save(drive / "1st_manual" / f"{number + 21}_manual1.gif")
        region.save(drive / "mask" / f"{number + 21}_training_mask.gif")
        child = f"Image_{number // 2 + 1:02}{'LR'[number % 2]}"
        image.save(root / "chase" / f"{child}.jpg")
        label.save(root / "chase" / f"{child}_1stHO.png")
        name = f"eye-{number}"
        image.save(drishti / "Images" / f"{name}.png")
        (drishti / "GT" / name / "SoftMap").mkdir(parents=True)
        for part, ending in (("disc", "OD"), ("cup", "cup")):
            shutil.copy(
                root / "disc" / "masks" / part / path.name,
                drishti / "GT" / name / "SoftMap" / f"{name}_{ending}segSoftmap.png",
            )
    shutil.copytree(root / "disc" / "images", root / "experts" / "images")
    for expert in ("1", "2", "3"):
        shutil.copytree(root / "disc" / "masks" / "disc", root / "experts" / "experts" / expert)
    return root


@pytest.mark.parametrize(
    ("drawn", "task", "options"),
    [
        ("vessels", "folder", {}),
        ("vessels", "vessels", {}),
        ("drive", "drive", {}),
        ("chase", "chase", {}),
        ("disc", "disc", {}),
        ("drishti", "disc", {}),
        ("experts", "disc", {"num_classes": 1}),
        ("lung", "lung", {}),
        ("cells", "cells", {}),
        ("oct", "oct", {}),
    ],
)
def test_a_sound_set_of_every_task_can_be_trained_on(drawn, task, options, sets, tmp_path):
    diagnosis = examine(sets / drawn, task=task, output=tmp_path / "out" if drawn == task else None, **options)
    assert diagnosis.errors == 0, format_diagnosis(diagnosis)
    assert diagnosis.label_encoding
    assert (tmp_path / "out" / "contact-sheet.png").exists() == (drawn == task)
    assert all(part.share > 0 for part in diagnosis.classes)
    assert (diagnosis.region_share is not None) == (task in ("folder", "vessels", "drive", "chase", "disc"))


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_wrong_with_a_layout_is_found_once(name, sets, tmp_path):
    function, drawn, task, file, words, options = DAMAGES[name]
    folder = shutil.copytree(sets / drawn, tmp_path / "data")
    function(folder)
    diagnosis = examine(folder, task=task, **options)
    subject = str(folder) if file == "data" else file
    texts = [f.cause + f.remedy for f in diagnosis.findings if f.subject == subject and f.severity == "error"]
    assert len([text for text in texts if words in text]) == 1, format_diagnosis(diagnosis)


@pytest.mark.parametrize("task", ["folder", "nnunet", "drive", "chase", "disc", "lung", "cells", "oct"])
def test_an_empty_folder_is_one_finding(task, tmp_path):
    (finding,) = examine(tmp_path, task=task).findings
    assert finding.severity == "error"
    assert finding.remedy


@pytest.mark.data
@pytest.mark.parametrize(
    ("place", "task", "options"),
    [
        ("ISBI2012", "cells", {}),
        ("lung-ct/finding-lungs", "lung", {}),
        ("oct-layers/eight-layers", "oct", {"num_classes": 10}),
    ],
)
def test_the_real_sets_are_sound(place, task, options, data_set, tmp_path):
    folder = data_set(place)
    if task == "lung":  # some of its 267 slices
        for path in [path for part in ("images", "masks") for path in sorted((folder / part).iterdir())[::8]]:
            (tmp_path / path.parent.name).mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / path.parent.name)
        folder = tmp_path
    diagnosis = examine(folder, task=task, **options)
    assert diagnosis.findings == ()
    assert diagnosis.labelled == diagnosis.images
    assert diagnosis.unannotated_columns == (78 if task == "oct" else 0)


@pytest.mark.data
def test_real_boundaries_of_several_devices_do_not_go_together(data_set):
    diagnosis = examine(data_set("oct-layers/boundaries"), task="oct")
    (error,) = [finding for finding in diagnosis.findings if finding.severity == "error"]
    assert (error.subject, error.cause) == (
        "octolyzer_Linescan_1_boundaries.npy",
        "it has 2 boundaries, but caserel_0001_boundaries.npy has 7",
    )
