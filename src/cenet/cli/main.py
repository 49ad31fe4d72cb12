"""The door: `cenet VERB ...`. What a verb needs is imported when the verb is used."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cenet.cli.parser import parser
from cenet.errors import CenetError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; a mistake that the user can mend is one sentence and status 1."""
    given, unknown = parser().parse_known_args(arguments)
    if unknown:
        given.parser.refuse(unknown)
    try:
        if (largest := getattr(given, "max_pixels", None)) is not None:
            if not 0 < largest < 10**18:
                raise CenetError(f"--max-pixels {largest}", "is no size of an image", "give a number such as 200000000")
            os.environ["CENET_MAX_PIXELS"] = str(largest)  # processes that load images inherit it
        status = COMMANDS[given.verb](given)
        sys.stdout.flush()
    except CenetError as error:
        traceback.clear_frames(error.__traceback__)  # ends a progress bar, which the sentence would run into
        print(f"cenet: {' '.join(str(error).splitlines())}", file=sys.stderr)
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
    return status or 0


def _machine(given: argparse.Namespace) -> Any:
    from cenet.inference.device import resolve_device

    return resolve_device(
        device=given.device,
        precision=getattr(given, "precision", "auto"),
        workers=getattr(given, "workers", None),
        memory_format=getattr(given, "memory_format", "auto"),
    )


def _demo(given: argparse.Namespace) -> None:
    from cenet.experiments.demo import demo

    demo(given.output, seed=given.seed, machine=_machine(given))


def _tasks(_: argparse.Namespace) -> None:
    from cenet.datasets.other_sets import OTHER_SETS, UNTRIED
    from cenet.datasets.registry import TASKS

    for name, task in TASKS.items():
        tree = "\n".join(f"    {line}" for line in task.layout.splitlines())
        paper = f"\n  the paper: {task.paper}" if task.paper else ""
        print(f"{name}: {task.title}\n  source: {task.source}\n  groups: {task.grouping}{paper}\n  layout:\n{tree}\n")
    print(f"Other sets, which these tasks read where they are laid out so; {UNTRIED}:\n")
    for other in OTHER_SETS.values():
        print(f"{other}\n")
    print("`cenet doctor DATA --task TASK` says what of a layout is missing.")


def _recipes(given: argparse.Namespace) -> None:
    from cenet.config.presets import RECIPES, load_recipe

    if given.recipe:
        print(load_recipe(given.recipe).model_dump_json(indent=1))
    else:
        for recipe in RECIPES.values():
            print(f"{recipe.name:16} {recipe.title}")


def _phantoms(given: argparse.Namespace) -> None:
    from cenet.phantoms import write_phantoms

    write_phantoms(given.output, task=given.task, count=given.count, seed=given.seed, size_px=given.size)
    print(f"phantoms: {given.output}")


def _recipe(given: argparse.Namespace) -> Any:
    from cenet.config.presets import load_recipe

    return load_recipe(given.recipe).replace(**_fields(given))


def _fields(given: argparse.Namespace) -> dict[str, str]:
    return {key.removeprefix("field:"): value for key, value in vars(given).items() if key.startswith("field:")}


@contextmanager
def _saying_how_to_go_on(command: str, run: Path | None = None) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end in a line that says how to go on; for a run, once it has a checkpoint."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if run is None or any(run.glob("checkpoints/epoch-*-*.ckpt")):
            print(f"\nto go on: {command}", file=sys.stderr)
        raise


def _check_as_it_began(given: argparse.Namespace) -> None:
    """Refuse options that a run cannot go on with, as it was begun with others."""
    began = (
        given.recipe,
        given.output,
        given.init_from,
        given.splits,
        given.group_pattern,
        given.minutes,
        given.ignore_value,
    )
    if any(began) or given.ignore_value == 0 or given.seeds != 1 or _fields(given):
        raise CenetError(given.resume, "a run goes on as it began", "give --resume only --data and the machine")
    from cenet.inference.run import Run

    facts = Run(given.resume).facts
    for name in ("precision", "memory_format"):
        asked, begun = getattr(given, name), getattr(facts, name)
        if asked != "auto" and begun not in (None, asked):
            option = "--" + name.replace("_", "-")
            raise CenetError(given.resume, f"was begun with {option} {begun}, not {asked}", f"leave {option} out")
    if given.deterministic and facts.deterministic is False:
        raise CenetError(given.resume, "was begun without --deterministic", "leave it out")


def _train(given: argparse.Namespace) -> None:
    if given.resume:
        _check_as_it_began(given)
        from cenet.training.train import resume

        with _saying_how_to_go_on(f"cenet train --resume {given.resume}", given.resume):
            run = resume(
                given.resume,
                data=given.data,
                machine=_machine(given),
                tensorboard=given.tensorboard,
                deterministic=given.deterministic,
            )
    else:
        if not given.recipe:
            raise CenetError("train", "no recipe is named", "choose one of `cenet recipes`, or --resume RUN")
        recipe = _recipe(given)
        if not given.data:
            raise CenetError(
                f"recipe {recipe.name}",
                "no images are named",
                "add --data DIR (`cenet tasks` shows the layout, `cenet phantoms TASK DIR` draws some)",
            )
        options = {
            "output": given.output or Path("runs") / recipe.name,
            "machine": _machine(given),
            "group_pattern": given.group_pattern,
            "ignore_value": given.ignore_value,
            "splits": given.splits,
            "init_from": given.init_from,
            "minutes": given.minutes,
            "tensorboard": given.tensorboard,
            "deterministic": given.deterministic,
        }
        if given.seeds != 1:
            from cenet.experiments.seeds import train_seeds

            with _saying_how_to_go_on("give the same command again"):
                print(train_seeds(recipe, given.data, seeds=given.seeds, **options))
            return
        from cenet.training.train import train

        with _saying_how_to_go_on(f"cenet train --resume {options['output']}", options["output"]):
            run = train(recipe, given.data, **options)
    from cenet.inference.run import format_numbers

    facts = run.facts
    cut = f", threshold {format_numbers(facts.thresholds)}" if facts.thresholds else ""
    tested = run.split and run.split.parts["test"]
    print(
        f"run: {run.path}\nepoch {facts.epoch}, validation Dice {facts.validation_dice:.4f}{cut}\n"
        f"next: cenet {f'evaluate {run.path}' if tested else f'predict {run.path} IMAGE --output DIR'}"
    )


def _cross_validate(given: argparse.Namespace) -> None:
    from cenet.experiments.cross_validation import cross_validate
    from cenet.reporting.evaluation_text import format_evaluation

    with _saying_how_to_go_on("give the same command again"):
        options = {"seeds": given.seeds, "init_from": given.init_from, "tta": given.tta}
        reports = cross_validate(**_folding(given, "folds"), **options)
    for report in reports:
        print(f"{format_evaluation(report)}\n\nreport: {report.folder}")


def _ablate(given: argparse.Namespace) -> None:
    from cenet.experiments.ablation import CENET, ablate
    from cenet.reporting.comparison_text import format_ablation

    if fixed := [name for name in _fields(given) if name in CENET]:
        raise CenetError(f"--{fixed[0].replace('_', '-')}", "is for the rows of the table to say", "leave it out")
    options = _folding(given, "ablation")
    with _saying_how_to_go_on("give the same command again"):
        print(
            f"{format_ablation(ablate(**options, variants=given.variants))}\n\n"
            f"report: {options['output'] / 'ablation.md'}"
        )


def _folding(given: argparse.Namespace, name: str) -> dict[str, Any]:
    """What the verbs that train folds have in common."""
    if "test_fraction" in _fields(given):
        raise CenetError(
            "--test-fraction", "has no part in a cross-validation, which tests every image", "leave it out"
        )
    recipe = _recipe(given)
    shared = ("data", "folds", "fold", "group_pattern", "ignore_value", "protocol", "deterministic")
    options = {"recipe": recipe, "machine": _machine(given), **{key: getattr(given, key) for key in shared}}
    return options | {"output": given.output or Path("runs") / f"{recipe.name}-{name}"}


def _evaluate(given: argparse.Namespace) -> None:
    from cenet.evaluation.evaluate import evaluate
    from cenet.reporting.evaluation_text import format_evaluation
    from cenet.reporting.files import write_evaluation_files

    if given.task:
        _check_task(given.task)
    if given.ignore_value is not None and not given.data:
        raise CenetError(
            "--ignore-value", "a run's own labels are read as in its training", "leave it out, or name other --data"
        )
    report = evaluate(
        given.run,
        data=given.data,
        task=given.task,
        part=given.split,
        protocol=given.protocol,
        tta=given.tta,
        output=given.output,
        overlays=given.overlays,
        device=_machine(given),
        group_pattern=given.group_pattern,
        ignore_value=given.ignore_value,
    )
    write_evaluation_files(report, overlays=given.overlays)
    print(format_evaluation(report))
    print(f"\nreport: {report.folder}")


def _predict(given: argparse.Namespace) -> None:
    from cenet.inference.predict import predict

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
    from cenet.inference.import_authors import import_authors_checkpoint

    print(f"run: {import_authors_checkpoint(given.file, output=given.output).path}")


def _weights(given: argparse.Namespace) -> None:
    from cenet.networks.download import download

    print(f"weights: {download(given.encoder, address=given.address)}")


def _doctor(given: argparse.Namespace) -> int:
    from cenet.doctor.examine import examine
    from cenet.doctor.format import format_diagnosis

    _check_task(given.task)
    diagnosis = examine(
        given.data,
        task=given.task,
        num_classes=given.num_classes,
        nested=given.nested and given.nested == "true",
        ignore_value=given.ignore_value,
        group_pattern=given.group_pattern,
        splits=given.splits,
        output=given.output,
    )
    print(format_diagnosis(diagnosis))
    return int(diagnosis.errors > 0)


def _check_task(name: str) -> None:
    from cenet.datasets.registry import TASKS

    if name not in TASKS:
        raise CenetError(f"--task {name}", "there is no such task", f"choose from {', '.join(TASKS)}")


def _compare(given: argparse.Namespace) -> None:
    from cenet.evaluation.compare import compare
    from cenet.reporting.comparison_text import format_comparison
    from cenet.reporting.files import write_comparison_files

    report = compare(given.runs, protocol=given.protocol, part=given.split, tta=given.tta, output=given.output)
    if given.output:
        write_comparison_files(report)
    print(format_comparison(report))


def _report(given: argparse.Namespace) -> None:
    from cenet.reporting.html_report import write_html_report

    where = {"protocol": given.protocol, "part": given.split, "tta": given.tta}
    page = write_html_report(given.runs, **where, output=given.output, cases=given.cases)
    print(f"report: {page}")


COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "demo": _demo,
    "tasks": _tasks,
    "recipes": _recipes,
    "phantoms": _phantoms,
    "doctor": _doctor,
    "train": _train,
    "cross-validate": _cross_validate,
    "ablate": _ablate,
    "evaluate": _evaluate,
    "compare": _compare,
    "report": _report,
    "predict": _predict,
    "import-official": _import_official,
    "weights": _weights,
}
