"""What one can say to `cenet`: every verb with its options."""

import argparse
import difflib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

NOTICE = "For research; not a medical device, and not for diagnosis."


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, with the nearest option where one was misspelt."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """Stop at an option that the verb does not have, with the nearest that it has."""
        option = words[0].split("=")[0]
        near = difflib.get_close_matches(option, self._option_string_actions, n=1)
        self.exit(2, f"{self.prog}: there is no {option}; {f'did you mean {near[0]}?' if near else 'see --help'}\n")


def parser() -> Parser:  # noqa: PLR0915  # a line for each option
    """Every verb with its options."""
    top = Parser(prog="cenet", description=f"CE-Net for 2D medical image segmentation. {NOTICE}", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"cenet {metadata.version('cenet')}. {NOTICE}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        new = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        new.set_defaults(verb=name, parser=new)
        return new

    def machine(to: argparse.ArgumentParser) -> None:
        to.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")

    def labelled(to: argparse.ArgumentParser) -> None:
        to.add_argument("--group-pattern", metavar="REGEX", help="finds the patient (eye, volume) in an image's name")
        to.add_argument("--ignore-value", type=int, metavar="VALUE", help="the label value of pixels that nobody drew")
        large(to)

    def large(to: argparse.ArgumentParser) -> None:
        to.add_argument("--max-pixels", type=int, metavar="N", help="read images up to this size (default: 80 million)")

    def training(to: argparse.ArgumentParser) -> None:
        to.add_argument("--precision", choices=("auto", "32-true", "bf16-mixed", "16-mixed"), default="auto")
        to.add_argument("--workers", type=int, help="processes that load images (default: what suits the machine)")
        to.add_argument("--memory-format", choices=("auto", "channels-last", "contiguous"), default="auto")
        to.add_argument("--deterministic", action="store_true", help="only algorithms that sum alike every time")
        machine(to)
        _add_fields(to)

    def scoring(to: argparse.ArgumentParser) -> None:
        to.add_argument("--protocol", choices=("region", "frame", "authors"), default="region")
        to.add_argument("--tta", action="store_true", help="average the eight flips and turns")

    def starting(to: argparse.ArgumentParser) -> None:
        to.add_argument("--init-from", type=Path, metavar="RUN", help="start from the weights of a trained run")

    def folding(to: argparse.ArgumentParser, output: str) -> None:
        to.add_argument("recipe", help="a name (see `cenet recipes`), or a JSON file")
        to.add_argument("--data", type=Path, required=True, help="the images, laid out as the recipe's task says")
        to.add_argument("--output", type=Path, help=f"folder to make or go on with (default: {output})")
        to.add_argument("--folds", type=int, default=4, metavar="K")
        to.add_argument("--fold", type=int, nargs="+", default=(), metavar="FOLD", help="do these folds now, from 0")
        labelled(to)
        training(to)

    def scored(to: argparse.ArgumentParser) -> None:
        to.add_argument("runs", type=Path, nargs="+", metavar="RUN")
        to.add_argument("--split", help="part that was scored (default: the first there is)")
        scoring(to)

    demo = verb("demo", "draw phantoms, train, score, and segment a real photograph: minutes on a CPU")
    demo.add_argument("--output", type=Path, default=Path("cenet-demo"), help="folder to make (default: cenet-demo)")
    demo.add_argument("--seed", type=int, default=0)
    machine(demo)

    verb("tasks", "list the tasks: layout of the files, source, terms")

    recipes = verb("recipes", "list the recipes, or print one as JSON")
    recipes.add_argument("recipe", nargs="?", help="a name, or a JSON file")

    phantoms = verb("phantoms", "draw images with exact truth into a folder, laid out as a task reads them")
    phantoms.add_argument("task", help="vessels, disc, lung, cells or oct")
    phantoms.add_argument("output", type=Path, help="folder to make")
    phantoms.add_argument(
        "--count", type=int, metavar="N", help="images or patients (default: 8), or slices of cells (default: 25)"
    )
    phantoms.add_argument("--seed", type=int, default=0)
    phantoms.add_argument("--size", type=int, default=512, metavar="PX", help="side of an image (default: 512)")

    train = verb("train", "train a recipe on a folder of images")
    train.add_argument("recipe", nargs="?", help="a name (see `cenet recipes`), or a JSON file")
    train.add_argument("--data", type=Path, help="the images, laid out as the recipe's task says")
    train.add_argument("--output", type=Path, help="run folder to make (default: runs/RECIPE)")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run from its last finished epoch")
    starting(train)
    train.add_argument("--splits", type=Path, metavar="FILE", help="use the splits.json of another run")
    train.add_argument("--minutes", type=float, help="a time budget, which the number of steps is made to fit")
    train.add_argument("--seeds", type=int, default=1, metavar="N", help="train N times, and say how much they differ")
    train.add_argument("--tensorboard", action="store_true", help="also log for TensorBoard (extra: tensorboard)")
    labelled(train)
    training(train)

    crossed = verb("cross-validate", "train and score every fold; what is done is skipped")
    folding(crossed, "runs/RECIPE-folds")
    starting(crossed)
    crossed.add_argument("--seeds", type=int, default=1, metavar="N", help="N networks for each fold")
    scoring(crossed)

    ablation = verb("ablate", "the table of ablations: cross-validate CE-Net without its parts, and compare")
    folding(ablation, "runs/RECIPE-ablation")
    ablation.add_argument("--variants", nargs="+", default=(), metavar="NAME", help="do these rows now (default: all)")
    ablation.add_argument("--protocol", choices=("region", "frame"), default="region")

    evaluate = verb("evaluate", "score a run on labelled images")
    evaluate.add_argument("run", type=Path)
    evaluate.add_argument("--data", type=Path, help="other labelled images than the run's own")
    evaluate.add_argument("--task", metavar="TASK", help="layout of --data (default: the run's)")
    evaluate.add_argument(
        "--split", choices=("train", "validation", "test", "all"), help="default: test, or all of other --data"
    )
    evaluate.add_argument("--output", type=Path, help="folder for the report (default: in the run)")
    evaluate.add_argument(
        "--overlays", type=int, default=3, metavar="N", help="overlays of the N worst images (default: 3)"
    )
    scoring(evaluate)
    labelled(evaluate)
    machine(evaluate)

    doctor = verb("doctor", "check a folder of images and labels before anything is trained on it")
    doctor.add_argument("data", type=Path)
    doctor.add_argument("--task", metavar="TASK", default="folder", help="layout of the files (default: folder)")
    doctor.add_argument(
        "--num-classes", type=int, metavar="K", help="1: foreground; K: with the background (default: the task's)"
    )
    doctor.add_argument("--nested", choices=("true", "false"), help="class k lies in class k-1 (default: the task's)")
    doctor.add_argument("--splits", type=Path, metavar="FILE", help="a splits.json to check against the images")
    doctor.add_argument("--output", type=Path, metavar="DIR", help="write the report and a contact sheet there")
    labelled(doctor)

    compare = verb("compare", "compare scored runs with the first of them: intervals, paired tests, cost")
    scored(compare)
    compare.add_argument("--output", type=Path, metavar="DIR", help="write tables and a plot there")

    report = verb("report", "one page about scored runs: scores, curves, cases, data, how to repeat it")
    scored(report)
    report.add_argument("--data", type=Path, help="the scored images, where they are not the run's own")
    report.add_argument("--output", type=Path, default=Path("report.html"), metavar="FILE.html")
    report.add_argument("--cases", type=int, default=3, metavar="N", help="pictures, from the worst to the best")
    large(report)
    machine(report)

    predict = verb("predict", "segment an image or a folder of images")
    predict.add_argument("run", type=Path)
    predict.add_argument("image", type=Path, help="an image, a TIFF of several pages, or a folder of such files")
    predict.add_argument("--output", type=Path, required=True, help="folder to write into")
    predict.add_argument("--tta", action="store_true", help="average the eight flips and turns")
    predict.add_argument("--probabilities", action="store_true", help="also write STEM_probability.tif")
    large(predict)
    machine(predict)

    official = verb("import-official", "make a run of a checkpoint of the authors' code")
    official.add_argument("file", type=Path)
    official.add_argument("--output", type=Path, required=True, help="run folder to make")

    weights = verb("weights", "fetch encoder weights from their official address; nothing else fetches")
    weights.add_argument("name", choices=("imagenet",))
    weights.add_argument("--encoder", choices=("resnet18", "resnet34"), default="resnet34")
    weights.add_argument("--from", dest="address", metavar="URL", help="a mirror; the checksum stays the same")
    return top


def _add_fields(train: argparse.ArgumentParser) -> None:
    from cenet.config.recipe import Recipe

    fields = train.add_argument_group("recipe fields", "each changes one value of the recipe")
    for name, field in Recipe.model_fields.items():
        if name not in ("name", "title", "unverified"):
            option = "--" + name.replace("_", "-")
            text = (field.description or "").replace("%", "%%")
            fields.add_argument(option, dest=f"field:{name}", metavar="VALUE", default=argparse.SUPPRESS, help=text)
