"""The raw data of nnU-Net: dataset.json, imagesTr/ and labelsTr/, with 2D images."""

import re
from pathlib import Path

from cenet.data.labels.schema import NNUNET_IMAGES, read_nnunet_dataset
from cenet.data.sample import Sample
from cenet.datasets.documents import is_system_file
from cenet.datasets.folder import check_folder, format_list, group_from_name, natural_key
from cenet.datasets.spec import DatasetSpec
from cenet.datasets.stacks import group_dicom
from cenet.errors import CenetError

LABELS = "labelsTr"


def read_nnunet(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the training cases of a folder in the raw layout of nnU-Net.

    The images of a case are `imagesTr/CASE_0000.png`, `CASE_0001.png`, ..., one grey file for each channel of
    `dataset.json`, or one RGB file for three channels; its label, if there is one, is
    `labelsTr/CASE.png`. `imagesTs/` is not read, nor is a label without images.

    Args:
        folder: The folder that holds `dataset.json`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`; it is
            searched in the name of the case.

    Raises:
        CenetError: The folder has another layout, or a case lacks a channel.

    Reference:
        Isensee et al. 2021, nnU-Net.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     _ = (folder / "dataset.json").write_text(
    ...         '{"channel_names": {"0": "grey"}, "labels": {"background": 0, "disc": 1}, "file_ending": ".png"}'
    ...     )
    ...     for file in ("imagesTr/eye_1_0000.png", "labelsTr/eye_1.png"):
    ...         (folder / file).parent.mkdir()
    ...         (folder / file).touch()
    ...     samples = read_nnunet(folder)
    >>> samples[0].name, samples[0].label[0].name
    ('eye_1', 'eye_1.png')
    """
    check_folder(folder)
    dataset = read_nnunet_dataset(folder)
    ending = dataset.file_ending
    cases = _find_cases(folder, ending)
    file_count = len(dataset.channel_names)
    if file_count == 3 and all(list(numbers) == [0] for numbers in cases.values()):
        file_count = 1  # one RGB file
    samples = []
    for case in sorted(cases, key=natural_key):
        channels = cases[case]
        label = folder / LABELS / f"{case}{ending}"
        missing = [
            f"{NNUNET_IMAGES}/{case}_{number:04}{ending}" for number in range(file_count) if number not in channels
        ]
        if missing:
            raise CenetError(folder, f"{format_list(missing)} is missing", f"add it, or remove the case {case}")
        if len(channels) > file_count:
            cause = f"dataset.json names {file_count} channel(s)"
            raise CenetError(channels[max(channels)], cause, "add this one to channel_names, or remove the file")
        first, *further = (channels[number] for number in range(file_count))
        labels = (label,) if label.is_file() else ()
        group = group_from_name(Path(case), group_pattern)
        names = tuple(dataset.channel_names[str(number)] for number in range(file_count)) if further else ()
        names = names if len(set(names)) == len(names) and all(names) else ()
        samples.append(Sample(case, first, labels, group=group, channels=tuple(further), channel_names=names))
    return group_dicom(samples, group_pattern=group_pattern)


def _find_cases(folder: Path, ending: str) -> dict[str, dict[int, Path]]:
    """Return the files of each case by the number of their channel."""
    for name in (NNUNET_IMAGES, LABELS):
        if not (folder / name).is_dir():
            raise CenetError(folder, f"it has no folder {name}", "name a folder of nnU-Net's raw data")
    cases: dict[str, dict[int, Path]] = {}
    for path in sorted((folder / NNUNET_IMAGES).iterdir()):
        if is_system_file(path.name):
            continue
        match = re.fullmatch(f"(.+)_([0-9]{{4}}){re.escape(ending)}", path.name)
        if not match:
            raise CenetError(
                path, f"its name is not CASE_0000{ending}, as dataset.json requires", "rename or remove it"
            )
        cases.setdefault(match[1], {})[int(match[2])] = path
    if not cases:
        raise CenetError(folder / NNUNET_IMAGES, "it contains no image", "add at least one")
    return cases


NNUNET = DatasetSpec(
    title="The raw data of nnU-Net (version 2), with 2D images",
    source="your own, or any data set converted for nnU-Net",
    layout=(
        "DATA/dataset.json                channel_names, labels, file_ending\n"
        "DATA/imagesTr/CASE_0000.png      the images, a file for each channel\n"
        "DATA/labelsTr/CASE.png           a label for each case"
    ),
    grouping="every case is its own group",
    pattern_advice="the patient",
    classes=(),
    read=read_nnunet,
)
