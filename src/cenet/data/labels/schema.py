"""The files in which the owner of a data set declares its labels: `classes.json`, and the `dataset.json` of nnU-Net."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cenet.config.json_files import read_json
from cenet.data.io.read import IMAGE_SUFFIXES
from cenet.errors import CenetError

if TYPE_CHECKING:
    from cenet.data.sample import Sample

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
Numbers = Annotated[tuple[Number, ...], Field(min_length=1)]
WholeNumber = Annotated[int, Field(strict=True, ge=0)]
NNUNET_IMAGES = "imagesTr"  # the folder of images in the raw layout of nnU-Net


class BackgroundSpec(BaseModel):
    """How the background is marked.

    Args:
        value: The value in a file, or several.
        colour: "#rrggbb" in coloured files.

    >>> BackgroundSpec(value=[0, 7]).codes(coloured=False), BackgroundSpec().codes(coloured=True)
    ((0.0, 7.0), (0.0,))
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Number | Numbers | None = None
    colour: Colour | None = None

    def codes(self, *, coloured: bool) -> tuple[float, ...]:
        """Return its values in a file, or its colour as a number; 0 or black unless declared.

        Args:
            coloured: Whether the files are coloured.
        """
        if coloured:
            return (0.0 if self.colour is None else colour_to_int(self.colour),)
        if self.value is None:
            return (0.0,)
        return self.value if isinstance(self.value, tuple) else (self.value,)


class ClassSpec(BackgroundSpec):
    """A foreground class, and how it is marked.

    Args:
        name: Its name.
    """

    name: Annotated[str, Field(min_length=1, pattern=r"\S")]


class ClassesFile(BaseModel):
    """The classes of a data set as its owner declares them.

    Args:
        classes: The foreground classes, in order: class 1, class 2, ... All have a value, or all only a colour
            (coloured files), or none has either: then the values are detected, and the classes named.
        background: How the background is marked; 0 or black by default.
        nested: Whether each class lies inside the one before.
        ignore: The value or colour of unannotated pixels.

    >>> ClassesFile(classes=[{"name": "disc", "value": 128}, {"name": "cup", "value": 255}]).names
    ('disc', 'cup')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: Annotated[tuple[ClassSpec, ...], Field(min_length=1, max_length=254)]
    background: BackgroundSpec = BackgroundSpec()
    nested: Annotated[bool, Field(strict=True)] | None = None
    ignore: Number | Colour | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the foreground classes."""
        return tuple(spec.name for spec in self.classes)

    @property
    def coloured(self) -> bool:
        """Whether the classes differ by colour alone."""
        return all(spec.value is None and spec.colour is not None for spec in self.classes)

    @property
    def values(self) -> tuple[tuple[float, ...], ...]:
        """The values (or colours as numbers) of background, class 1, ..., or () where they are not declared."""
        if not self.coloured and self.classes[0].value is None:
            return ()
        return tuple(spec.codes(coloured=self.coloured) for spec in (self.background, *self.classes))

    @property
    def ignored(self) -> tuple[float, ...]:
        """The value (or colour as a number) of unannotated pixels, if it is declared."""
        if self.ignore is None:
            return ()
        return (colour_to_int(self.ignore) if isinstance(self.ignore, str) else self.ignore,)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if len(set(self.names)) < len(self.names):
            raise ValueError("two classes have the same name")
        if not self.coloured and len({spec.value is None for spec in self.classes}) > 1:
            raise ValueError("give every class a value, or none")
        if self.values and isinstance(self.ignore, str) != self.coloured and self.ignore is not None:
            raise ValueError("ignore must be a colour where the classes are colours, else a value")
        codes = [code for values in self.values for code in values]
        codes += self.ignored
        if len(set(codes)) < len(codes):
            raise ValueError("two classes (or the background, or ignore) have the same value or colour")
        return self


def read_classes_file(path: Path) -> ClassesFile:
    """Read a `classes.json`.

    Args:
        path: The file.

    Raises:
        CenetError: It cannot be read, or does not fit `ClassesFile`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "classes.json")
    ...     _ = path.write_text('{"classes": [{"name": "disc", "value": [128, 129]}], "ignore": 255}')
    ...     read_classes_file(path).values
    ((0.0,), (128.0, 129.0))
    """
    return read_json(path, ClassesFile, remedy="fix the file")


def colour_to_int(colour: str) -> float:
    """Return a colour as a number, red first.

    >>> colour_to_int("#010203") == 0x010203
    True
    """
    return float(int(colour[1:], 16))


def int_to_colour(code: float) -> str:
    """Return the colour of a number.

    >>> int_to_colour(0xFF0000)
    '#ff0000'
    """
    return f"#{int(code):06x}"


class NnunetDataset(BaseModel):
    """The content of a `dataset.json`, as far as it is needed.

    Args:
        channel_names: A name for each channel, by its number.
        labels: The value of each class by its name, with "background" 0 and, optionally, "ignore".
        file_ending: The suffix of images and labels.

    >>> NnunetDataset(channel_names={"0": "R"}, labels={"background": 0, "disc": 1}, file_ending=".png").declared.names
    ('disc',)
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel_names: Annotated[dict[str, str], Field(min_length=1)]
    labels: dict[str, WholeNumber | list[int]]
    file_ending: str

    @model_validator(mode="after")
    def _is_understood(self) -> Self:
        regions = [name for name, value in self.labels.items() if isinstance(value, list)]
        if regions:
            raise ValueError(
                f"the label {regions[0]} is a region of several values, which is not read; give it one value"
            )
        if self.labels.get("background") != 0:
            raise ValueError("the label background must be 0, as nnU-Net has it")
        if set(self.channel_names) != {str(number) for number in range(len(self.channel_names))}:
            raise ValueError('channel_names must be numbered "0", "1", and so on')
        endings = [ending for ending in IMAGE_SUFFIXES if not ending.startswith(".nii")]  # those hold volumes here
        if self.file_ending.lower() not in endings:
            known = ", ".join(endings)
            raise ValueError(f"file_ending {self.file_ending} is not read; save every slice as a 2D image ({known})")
        _ = self.declared
        return self

    @property
    def declared(self) -> ClassesFile:
        """Its labels, as a `classes.json` would declare them."""
        foreground = {name: value for name, value in self.labels.items() if name not in ("background", "ignore")}
        names = sorted(foreground, key=lambda name: foreground[name])
        classes = tuple(ClassSpec(name=name, value=foreground[name]) for name in names)
        return ClassesFile(classes=classes, ignore=self.labels.get("ignore"))


def read_nnunet_dataset(folder: Path) -> NnunetDataset:
    """Read the `dataset.json` of a folder.

    Args:
        folder: The folder that holds it.

    Raises:
        CenetError: It is missing, or not a `dataset.json` of nnU-Net (version 2).
    """
    path = folder / "dataset.json"
    if not path.is_file():
        raise CenetError(folder, "it has no dataset.json", "name a folder of nnU-Net's raw data")
    return read_json(path, NnunetDataset, remedy="fix the file")


@dataclass(frozen=True)
class Declaration:
    """The classes that the files of a data set declare.

    Args:
        origin: The file that does.
        classes: What it says.
    """

    origin: Path
    classes: ClassesFile


def read_declaration(folder: Path | None, samples: Sequence["Sample"] = ()) -> tuple[Path, ClassesFile | None]:
    """Return the classes that the owner of a data set declares, and the file that does.

    Args:
        folder: Where a `classes.json` may be, or the `dataset.json` of nnU-Net.
        samples: Samples that may have a declaration of their own; a `classes.json` takes precedence, unless their
            labels are drawn from shapes.
    """
    drawn = next((sample.declared for sample in samples if sample.drawn and sample.declared), None)
    if drawn:  # its values are those that the shapes are drawn with, in the order that a classes.json may give them
        return drawn.origin, drawn.classes
    if folder and (folder / "classes.json").exists():
        return folder / "classes.json", read_classes_file(folder / "classes.json")
    if folder and (folder / NNUNET_IMAGES).is_dir() and (folder / "dataset.json").exists():
        return folder / "dataset.json", read_nnunet_dataset(folder).declared
    declared = next((sample.declared for sample in samples if sample.declared), None)
    return (declared.origin, declared.classes) if declared else (Path(), None)
