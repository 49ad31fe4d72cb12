"""From the words of a command line to the options of a verb, with a hint where an option is unknown."""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, NoReturn, TypeVar, get_args

import tyro

from cenet.cli.recipe_options import ALIASES, RecipeOptions, default_fields, find_named_recipe
from cenet.config.presets import RECIPES
from cenet.errors import nearest
from cenet.safe_text import print_line

OptionsT = TypeVar("OptionsT")
SHORT_OPTION = re.compile("-[a-gi-zA-Z]")  # of which there is but -h
POSITIONAL = get_args(tyro.conf.Positional[str])[1]  # what marks an argument that has no option name

# What other programs call an option, and what it is called here. The first that the verb has is offered.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "-b": ("--batch-size",),
    "-d": ("--data",),
    "-e": ("--epochs",),
    "-i": ("--data", "--images"),
    "-j": ("--workers",),
    "-o": ("--output",),
    "--amp": ("--precision bf16-mixed",),
    "--arch": ("--network",),
    "--backbone": ("--encoder",),
    "--batch": ("--batch-size",),
    "--budget": ("--minutes",),
    "--checkpoint": ("--resume", "--init-from"),
    "--ckpt": ("--resume", "--init-from"),
    "--classes": ("--num-classes",),
    "--cpu": ("--device cpu",),
    "--crop-size": ("--crop-px",),
    "--cuda": ("--device cuda",),
    "--dataset": ("--data",),
    "--early-stopping": ("--patience",),
    "--fp16": ("--precision 16-mixed",),
    "--gpu": ("--device cuda",),
    "--gpus": ("--device cuda",),
    "--group": ("--group-pattern",),
    "--half": ("--precision 16-mixed",),
    "--ignore-index": ("--ignore-value",),
    "--image-size": ("--size-px", "--size"),
    "--images": ("--data",),
    "--img-size": ("--size-px", "--size"),
    "--imgsz": ("--size-px", "--size"),
    "--input": ("--data",),
    "--iterations": ("--steps-per-epoch",),
    "--jobs": ("--workers",),
    "--k": ("--folds",),
    "--lr-schedule": ("--schedule",),
    "--lr-scheduler": ("--schedule",),
    "--max-epochs": ("--epochs",),
    "--metric": ("--threshold-metric",),
    "--model": ("--network",),
    "--n-classes": ("--num-classes",),
    "--num-workers": ("--workers",),
    "--out": ("--output",),
    "--out-dir": ("--output",),
    "--output-dir": ("--output",),
    "--patch-size": ("--crop-px",),
    "--pretrained": ("--encoder-weights", "--init-from"),
    "--rotation": ("--rotate-deg",),
    "--save-dir": ("--output",),
    "--scheduler": ("--schedule",),
    "--steps": ("--steps-per-epoch",),
    "--test": ("--test-fraction", "--split test"),
    "--test-split": ("--test-fraction", "--split test"),
    "--time": ("--minutes",),
    "--val": ("--validation-fraction", "--split validation"),
    "--val-fraction": ("--validation-fraction",),
    "--val-split": ("--validation-fraction", "--split validation"),
    "--weights": ("--init-from", "--encoder-weights"),
}


def parse_options(verb: type[OptionsT], name: str, arguments: Sequence[str]) -> OptionsT:
    """The options of a verb from the words that follow it; ends the process where they cannot be understood.

    Args:
        verb: The dataclass of the verb's options.
        name: The verb's name.
        arguments: The words.
    """
    refuse_unknown_options(arguments, list(iterate_option_names(verb)), name)
    return tyro.cli(
        verb,
        default=_default_options(verb, arguments),
        prog=f"cenet {name}",
        description=inspect.cleandoc(verb.__doc__ or ""),
        args=list(arguments),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )


def _default_options(verb: type[OptionsT], arguments: Sequence[str]) -> OptionsT:
    """The options before any word is read: of a recipe's fields the values of the recipe that the words name."""
    required = [field.name for field in fields(verb) if field.default is field.default_factory is MISSING]  # type: ignore[arg-type]
    values: dict[str, Any] = dict.fromkeys(required, tyro.MISSING)
    if issubclass(verb, RecipeOptions):
        unnamed = RECIPES[verb.unnamed_recipe] if verb.unnamed_recipe else None
        values |= default_fields(find_named_recipe(arguments) or unnamed)
    return verb(**values)


def iterate_option_names(options: type) -> Iterator[str]:
    """Yield the names of all options of a dataclass, with those of its groups and with aliases."""
    for field in fields(options):
        kind, *marks = get_args(field.type) if hasattr(field.type, "__metadata__") else (field.type,)
        if is_dataclass(kind) and isinstance(kind, type):
            yield from iterate_option_names(kind)
        elif POSITIONAL not in marks:
            yield "--" + field.name.strip("_").replace("_", "-")
            yield from ALIASES.get(field.name, ())


def refuse_unknown_options(arguments: Iterable[str], known: Sequence[str], name: str) -> None:
    """End the process at the first option that a verb does not have, with the one that was probably meant."""
    for word in arguments:
        option = word.partition("=")[0].replace("_", "-")
        if word == "--":
            return
        if SHORT_OPTION.fullmatch(word) or (word.startswith("--") and option not in (*known, "--help")):
            meant = suggest_option(option, known)
            hint = f"did you mean {meant}?" if meant else f"see cenet {name} --help"
            refuse(f"cenet {name}: there is no {option}; {hint}")


def suggest_option(option: str, known: Sequence[str]) -> str | None:
    """Return the option that was probably meant, by its meaning first and by its spelling second.

    >>> suggest_option("--gpu", ["--device"]), suggest_option("--epoch", ["--epochs", "--device"])
    ('--device cuda', '--epochs')
    """
    names = {name.strip("-"): name for name in known}  # the dashes are no likeness
    synonyms = [synonym for synonym in SYNONYMS.get(option, ()) if synonym.split()[0] in known]
    near = nearest(option.strip("-"), names)
    return synonyms[0] if synonyms else near and names[near]


def refuse(sentence: str) -> NoReturn:
    """End the process with a sentence and the status of a command that was not understood."""
    print_line(sentence, file=sys.stderr)
    sys.exit(2)
