"""The door: `cenet VERB ...`. What a verb needs is imported when the verb is used."""

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from cenet.errors import CenetError

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

    def verb(name: str, text: str, action: Any) -> argparse.ArgumentParser:
        new = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        new.set_defaults(action=action, parser=new)
        return new

    def machine(to: argparse.ArgumentParser) -> None:
        to.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")

    demo = verb("demo", "draw phantoms, train, score, and segment a real photograph: minutes on a CPU", _demo)
    demo.add_argument("--output", type=Path, default=Path("cenet-demo"), help="folder to make (default: cenet-demo)")
    demo.add_argument("--seed", type=int, default=0)
    machine(demo)

    verb("tasks", "list the tasks: layout of the files, source, terms", _tasks)

    recipes = verb("recipes", "list the recipes, or print one as JSON", _recipes)
    recipes.add_argument("recipe", nargs="?", help="a name, or a JSON file")

    phantoms = verb("phantoms", "draw fundus phantoms with exact truth into a folder", _phantoms)
    phantoms.add_argument("folder", type=Path)
    phantoms.add_argument("--count", type=int, default=30)
    phantoms.add_argument("--seed", type=int, default=0)
    phantoms.add_argument("--size-px", type=int, default=512)

    train = verb("train", "train a recipe on a folder of images", _train)
    train.add_argument("recipe", nargs="?", help="a name (see `cenet recipes`), or a JSON file")
    train.add_argument("--data", type=Path, help="the images, laid out as the recipe's task says")
    train.add_argument("--output", type=Path, help="run folder to make (default: runs/RECIPE)")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run from its last finished epoch")
    train.add_argument("--start-from", type=Path, metavar="RUN", help="start from the weights of a trained run")
    train.add_argument("--splits", type=Path, metavar="FILE", help="use the splits.json of another run")
    train.add_argument("--group", metavar="REGEX", help="finds the patient (eye, volume) in an image's name")
    train.add_argument("--precision", choices=("auto", "32-true", "bf16-mixed", "16-mixed"), default="auto")
    train.add_argument("--workers", type=int, help="processes that load images (default: what suits the machine)")
    train.add_argument("--memory-format", choices=("auto", "channels-last", "contiguous"), default="auto")
    train.add_argument("--tensorboard", action="store_true", help="also log for TensorBoard (extra: tensorboard)")
    machine(train)
    _add_fields(train)

    evaluate = verb("evaluate", "score a run on labelled images", _evaluate)
    evaluate.add_argument("run", type=Path)
    evaluate.add_argument("--data", type=Path, help="other labelled images than the run's own")
    evaluate.add_argument("--task", choices=("folder", "drive"), help="layout of --data (default: the run's)")
    evaluate.add_argument(
        "--split", choices=("train", "validation", "test", "all"), help="default: test, or all of other --data"
    )
    evaluate.add_argument("--protocol", choices=("region", "frame", "authors"), default="region")
    evaluate.add_argument("--tta", action="store_true", help="average the eight flips and turns")
    evaluate.add_argument("--output", type=Path, help="folder for the report (default: in the run)")
    evaluate.add_argument(
        "--worst", type=int, default=3, metavar="N", help="overlays of the N worst images (default: 3)"
    )
    evaluate.add_argument("--group", metavar="REGEX", help="finds the patient (eye, volume) in an image's name")
    machine(evaluate)

    predict = verb("predict", "segment an image or a folder of images", _predict)
    predict.add_argument("run", type=Path)
    predict.add_argument("image", type=Path, help="an image, or a folder of images")
    predict.add_argument("--output", type=Path, required=True, help="folder to write into")
    predict.add_argument("--tta", action="store_true", help="average the eight flips and turns")
    predict.add_argument("--probabilities", action="store_true", help="also write STEM_probability.tif")
    machine(predict)

    official = verb("import-official", "make a run of a checkpoint of the authors' code", _import_official)
    official.add_argument("file", type=Path)
    official.add_argument("--output", type=Path, required=True, help="run folder to make")

    weights = verb("weights", "fetch encoder weights from their official address; nothing else fetches", _weights)
    weights.add_argument("name", choices=("imagenet",))
    weights.add_argument("--encoder", choices=("resnet18", "resnet34"), default="resnet34")
    weights.add_argument("--from", dest="address", metavar="URL", help="a mirror; the checksum stays the same")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; a mistake that the user can mend is one sentence and status 1."""
    given, unknown = parser().parse_known_args(arguments)
    if unknown:
        given.parser.refuse(unknown)
    try:
        given.action(given)
        sys.stdout.flush()
    except CenetError as error:
        print(f"cenet: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cenet: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(
            f"cenet: {error.filename or 'a file'}: {error.strerror or error}; check place, permissions and space",
            file=sys.stderr,
        )
        return 1
    return 0


def _add_fields(train: argparse.ArgumentParser) -> None:
    from cenet.recipe import Recipe

    fields = train.add_argument_group("recipe fields", "each changes one value of the recipe")
    for name, field in Recipe.model_fields.items():
        if name not in ("name", "title", "unverified"):
            option = "--" + name.replace("_", "-")
            text = (field.description or "").replace("%", "%%")
            fields.add_argument(option, dest=f"field:{name}", metavar="VALUE", default=argparse.SUPPRESS, help=text)


def _machine(given: argparse.Namespace) -> Any:
    from cenet.machine import choose

    return choose(
        device=given.device,
        precision=getattr(given, "precision", "auto"),
        workers=getattr(given, "workers", None),
        memory_format=getattr(given, "memory_format", "auto"),
    )


def _demo(given: argparse.Namespace) -> None:
    from cenet.workflows.demo import demo

    demo(given.output, seed=given.seed, machine=_machine(given))


def _tasks(_: argparse.Namespace) -> None:
    from cenet.tasks import TASKS

    for name, task in TASKS.items():
        print(f"{name}: {task.title}\n  source: {task.source}\n  groups: {task.grouping}")
        print("\n".join(f"    {line}" for line in task.layout.splitlines()) + "\n")


def _recipes(given: argparse.Namespace) -> None:
    from cenet.recipe import RECIPES, load_recipe

    if given.recipe:
        print(load_recipe(given.recipe).model_dump_json(indent=1))
    else:
        for recipe in RECIPES.values():
            print(f"{recipe.name:16} {recipe.title}")


def _phantoms(given: argparse.Namespace) -> None:
    from cenet.phantoms import write_fundus_set

    write_fundus_set(given.folder, count=given.count, seed=given.seed, size_px=given.size_px)
    print(f"phantoms: {given.folder}")


def _train(given: argparse.Namespace) -> None:
    from cenet.recipe import load_recipe

    fields = {key.removeprefix("field:"): value for key, value in vars(given).items() if key.startswith("field:")}
    if given.resume:
        if given.recipe or fields or given.output or given.start_from or given.splits or given.group:
            raise CenetError(f"{given.resume}: a run goes on as it began; give --resume only --data and the machine")
        from cenet.train import resume

        run = resume(given.resume, data=given.data, machine=_machine(given), tensorboard=given.tensorboard)
    else:
        if not given.recipe:
            raise CenetError("train: no recipe is named; choose one of `cenet recipes`, or --resume RUN")
        recipe = load_recipe(given.recipe).replace(**fields)
        if not given.data:
            raise CenetError(
                f"recipe {recipe.name}: no images are named; add --data DIR "
                "(`cenet tasks` shows the layout, `cenet phantoms DIR` draws some)"
            )
        from cenet.train import train

        run = train(
            recipe,
            given.data,
            output=given.output or Path("runs") / recipe.name,
            machine=_machine(given),
            group=given.group,
            splits=given.splits,
            start_from=given.start_from,
            tensorboard=given.tensorboard,
        )
    facts = run.facts
    print(
        f"run: {run.path}\nepoch {facts.epoch}, validation Dice {facts.validation_dice:.4f}, threshold "
        f"{facts.threshold:g}\nnext: cenet evaluate {run.path}"
    )


def _evaluate(given: argparse.Namespace) -> None:
    from cenet.evaluate import evaluate, table

    report = evaluate(
        given.run,
        data=given.data,
        task=given.task,
        part=given.split,
        protocol=given.protocol,
        tta=given.tta,
        output=given.output,
        worst=given.worst,
        machine=_machine(given),
        group=given.group,
    )
    print(table(report))
    print(f"\nreport: {report['folder']}")


def _predict(given: argparse.Namespace) -> None:
    from cenet.predict import predict

    remarks = predict(
        given.run,
        given.image,
        output=given.output,
        tta=given.tta,
        probabilities=given.probabilities,
        machine=_machine(given),
    )
    for remark in remarks:
        print(f"note: {remark}", file=sys.stderr)
    print(f"predictions: {given.output}")


def _import_official(given: argparse.Namespace) -> None:
    from cenet.import_official import import_official

    print(f"run: {import_official(given.file, output=given.output).path}")


def _weights(given: argparse.Namespace) -> None:
    from cenet.weights import fetch

    print(f"weights: {fetch(given.encoder, address=given.address)}")
