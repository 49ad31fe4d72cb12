"""The command line: `cenet VERB ...`. What a verb needs is imported when the verb is used."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from cenet.cli.cluster_options import Merge
from cenet.cli.convert_verb import Convert
from cenet.cli.data_verbs import Doctor, ImportOfficial, Phantoms, Recipes, Tasks, Weights
from cenet.cli.export_verb import ExportVerb
from cenet.cli.fold_verbs import Ablate, CrossValidate
from cenet.cli.hub_verbs import Pull, Push
from cenet.cli.measure_verb import Measure
from cenet.cli.model_verbs import Models, Reproduce
from cenet.cli.options import ImageOptions, TrainingDeviceOptions
from cenet.cli.parse import parse_options, refuse
from cenet.cli.plan_verb import PlanVerb
from cenet.cli.plugins import load_plugin
from cenet.cli.process_settings import reuse_freed_memory, set_thread_policy
from cenet.cli.run_verbs import Compare, Evaluate, Predict, Report
from cenet.cli.service_verbs import App, Serve
from cenet.cli.terminal import print_what_encodings_lack, printable_output
from cenet.cli.training_verbs import Demo, Train
from cenet.errors import CenetError, nearest
from cenet.safe_text import print_line

NOTICE = "For research; not a medical device, and not for diagnosis."

SECTIONS: dict[str, dict[str, type[Any]]] = {
    "Start here": {"demo": Demo, "models": Models},
    "Data": {"tasks": Tasks, "phantoms": Phantoms, "doctor": Doctor, "convert": Convert},
    "Training": {
        "recipes": Recipes,
        "plan": PlanVerb,
        "train": Train,
        "cross-validate": CrossValidate,
        "ablate": Ablate,
    },
    "Runs": {
        "evaluate": Evaluate,
        "compare": Compare,
        "report": Report,
        "predict": Predict,
        "merge": Merge,
        "measure": Measure,
        "reproduce": Reproduce,
    },
    "Other people and programs": {
        "app": App,
        "export": ExportVerb,
        "serve": Serve,
        "pull": Pull,
        "push": Push,
    },
    "Weights": {"weights": Weights, "import-official": ImportOfficial},
}
VERBS = {name: verb for section in SECTIONS.values() for name, verb in section.items()}

EXAMPLES = """\
Examples:
  cenet demo
  cenet predict vessels-open photograph.png --output masks
  cenet doctor eyes
  cenet train --data eyes --output runs/eyes
  cenet evaluate runs/eyes
  cenet predict runs/eyes photograph.png --output masks

`cenet COMMAND --help` describes a command, `cenet --version` prints the version."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; a mistake that the user can fix is one sentence and status 1."""
    print_what_encodings_lack()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        refuse("cenet: a command is missing; see cenet --help")
    name, *rest = words
    if name in ("-h", "--help"):
        print(format_help())
        return 0
    if name == "--version":
        print(f"cenet {metadata.version('cenet')}. {NOTICE}")
        return 0
    if name not in VERBS:
        near = nearest(name, VERBS)
        refuse(f"cenet: there is no command {name}; {f'did you mean {near}?' if near else 'see cenet --help'}")
    return run_verb(VERBS[name], name, rest)


def run_verb(verb: type[Any], name: str, arguments: Sequence[str]) -> int:
    """Parse the options of a verb, execute it, and turn what stops it into a sentence and a status."""
    try:
        options = parse_options(verb, name, arguments)
        for group in vars(options).values():
            if isinstance(group, ImageOptions):
                set_image_limit(group.max_pixels)
        if hasattr(options, "machine"):
            set_thread_policy(options.machine.threads)
            if isinstance(options.machine, TrainingDeviceOptions):
                reuse_freed_memory()
        if getattr(options, "plugin", None):
            load_plugin(options.plugin)
        with printable_output():
            status = options.execute()
        sys.stdout.flush()
    except CenetError as error:
        traceback.clear_frames(error.__traceback__)  # ends a progress bar, which the sentence would run into
        print_line(f"cenet: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cenet: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        remedy = "close other programs, or name smaller images"
        print(f"cenet: what this takes does not fit into the memory; {remedy}", file=sys.stderr)
        return 1
    except OSError as error:
        cause = error.strerror or error
        print_line(f"cenet: {error.filename or 'a file'}: {cause}; check path, permissions and space", file=sys.stderr)
        return 1
    return status or 0


def set_image_limit(pixels: int | None) -> None:
    """Set the largest image that is read; processes that load images inherit it.

    Raises:
        CenetError: It is no number of pixels.
    """
    if pixels is None:
        return
    if not 0 < pixels < 10**18:
        raise CenetError(f"--max-pixels {pixels}", "is no size of an image", "give a number such as 200000000")
    os.environ["CENET_MAX_PIXELS"] = str(pixels)


def format_help() -> str:
    """The help of the command itself: every verb with its first line."""
    lines = ["usage: cenet COMMAND [OPTIONS]", "", "CE-Net for 2D medical image segmentation.", NOTICE]
    for title, verbs in SECTIONS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {name:16} {(verb.__doc__ or '').splitlines()[0]}" for name, verb in verbs.items()]
    return "\n".join([*lines, "", EXAMPLES])
