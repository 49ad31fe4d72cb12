"""Convert an image into the kind that a run was trained on, where there is one way to do so."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.dicom import read_display_window
from cenet.data.io.magic import is_dicom
from cenet.errors import CenetError
from cenet.inference.run_metadata import RunMetadata


def choose_channels(
    count: int, names: Sequence[str], *, trained: Sequence[str], chosen: Sequence[str] = (), name: str = "image"
) -> tuple[list[int], tuple[str, ...]]:
    """Choose those channels of an image that a run was trained on, by name.

    Args:
        count: How many the image has.
        names: What they are called; empty where its file does not say it.
        trained: What the channels are called that the run was trained on; empty where that is not known.
        chosen: Which ones the user wants, in order: names, or numbers from 1.
        name: What errors call the image.

    Returns:
        Their indices, and a remark where they are not all in their order.

    Raises:
        CenetError: One of them is missing.

    >>> choose_channels(3, ("DAPI", "GFP", "Cy5"), trained=("Cy5", "DAPI"))
    ([2, 0], ('of its channels DAPI, GFP, Cy5 the network got Cy5, DAPI',))
    >>> choose_channels(3, (), trained=(), chosen=("3", "1"))[0]
    [2, 0]
    """
    everything = list(range(count))
    names = names if len(names) == count else ()
    wanted = chosen or (trained if names else ())
    if not wanted:
        if count == len(trained) > 1:
            return everything, (f"its channels have no names, and were given to the network as {', '.join(trained)}",)
        return everything, ()
    numbers = {str(index + 1): index for index in everything} if chosen else {}
    index_of = {**numbers, **{own: index for index, own in enumerate(names)}}
    held = ", ".join(names) if names else f"{count} without names"
    missing = [each for each in wanted if each not in index_of]
    if missing:
        cause = f"has no channel {', '.join(missing)}; its channels are {held}"
        order = f" in the order {', '.join(trained)}" if trained else ""
        raise CenetError(name, cause, f"name the channels to use{order} with --channels, by name or number from 1")
    indices = [index_of[each] for each in wanted]
    remark = f"of its channels {held} the network got {', '.join(wanted)}"
    return indices, (remark,) if indices != everything else ()


def adapt_to_run(
    image: NDArray[Any], path: Path | None, *, in_channels: int, dtype: str, page: int | None = None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Convert an image where that is unambiguous; what is not is left as it is, for the predictor to refuse.

    A grey image becomes three equal channels, three equal channels become grey, and the grey values of a DICOM file
    that names its display window become 8 bits by it.

    Args:
        image: The image (H, W, C).
        path: Its file, where it has one.
        in_channels: Of the images that the run was trained on.
        dtype: Of their values.
        page: Which one of its file it is, from 0; None for the only one.

    Returns:
        The image, and a remark for each conversion.

    >>> image, remarks = adapt_to_run(np.zeros((2, 2, 1), np.uint8), Path("x-ray.png"), in_channels=3, dtype="uint8")
    >>> image.shape, remarks
    ((2, 2, 3), ('the image is grey, and was given to the RGB run as three equal channels',))
    """
    remarks = []
    is_wide_grey = image.dtype != np.uint8 and image.shape[2] == 1
    if dtype == "uint8" and is_wide_grey and path is not None and path.is_file() and is_dicom(path):
        with suppress(CenetError):
            window = read_display_window(path, page=page)
            if window is not None:
                image = np.asarray(np.rint(np.interp(image, (window.low, window.high), (0, 255))), np.uint8)
                remarks.append(f"its display window, {window.low:g} to {window.high:g}, was applied for the 8-bit run")
    if str(image.dtype) != dtype:
        return image, tuple(remarks)
    if in_channels == 3 and image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
        remarks.append("the image is grey, and was given to the RGB run as three equal channels")
    elif in_channels == 1 and image.shape[2] == 3 and (image == image[..., :1]).all():
        image = np.ascontiguousarray(image[..., :1])
        remarks.append("its three channels are equal, and one was given to the grey run")
    return image, tuple(remarks)


def fit_to_run(
    image: NDArray[Any],
    path: Path,
    facts: RunMetadata,
    *,
    names: Sequence[str],
    chosen: Sequence[str] = (),
    name: str = "",
    page: int | None = None,
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Choose the channels of an image, and convert it, into what a run was trained on.

    Args:
        image: The image (H, W, C).
        path: Its file.
        facts: Of the run.
        names: What its channels are called, if that is known.
        chosen: As for `choose_channels`.
        name: What errors call it; by default its file.
        page: As for `adapt_to_run`.

    Returns:
        The image, and a remark for whatever was done.

    Raises:
        CenetError: A channel is missing.
    """
    indices, remarks = choose_channels(
        image.shape[2], names, trained=facts.channels, chosen=chosen, name=name or str(path)
    )
    image = np.ascontiguousarray(image[..., indices])
    image, converted = adapt_to_run(image, path, in_channels=facts.in_channels, dtype=facts.dtype, page=page)
    return image, (*remarks, *converted)
