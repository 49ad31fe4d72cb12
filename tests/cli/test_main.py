"""The command line: light, helpful, and every verb does what its function does."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from cenet.cli.data_verbs import Tasks
from cenet.config.presets import RECIPES, load_recipe
from cenet.data.io.read import read_label
from cenet.datasets.registry import TASKS

HEAVY = "{'torch', 'monai', 'pytorch_lightning'}"


# Lightness -------------------------------------------------------------------------------------------------


def test_what_needs_no_network_imports_none():
    commands = "--help", "--version", "train --help", "tasks", "recipes", "ablate --help", "recipes drive", "tasks --no"
    code = (
        "import sys\nfrom contextlib import suppress\nfrom cenet.cli.main import main\n"
        f"for command in {commands}:\n"
        "    with suppress(SystemExit):\n        main(command.split())\n"
        f"    assert not {HEAVY} & set(sys.modules), command\n"
    )
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)


# Verbs ------------------------------------------------------------------------------------------------------


def test_tasks_are_listed_with_their_layout(cenet, capsys):
    assert cenet("tasks") == 0
    printed = capsys.readouterr().out
    for words in ("folder: ", "drive: ", "DATA/images/NAME.png", "DATA/training/images/21_training.tif", "groups: "):
        assert words in printed


def test_tasks_prints_all_of_every_task(cenet, capsys):
    assert cenet("tasks") == 0
    printed = capsys.readouterr().out
    for name, task in TASKS.items():
        facts = (name, task.title, task.source, task.describe_grouping_rule(), task.published)
        assert [fact for fact in (*facts, *task.layout.splitlines()) if fact.strip() not in printed] == []


def test_recipes_are_listed_and_printed_as_json(cenet, capsys, tmp_path):
    assert cenet("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    for name in RECIPES:
        assert cenet("recipes", name) == 0
        (tmp_path / "recipe.json").write_text(capsys.readouterr().out)
        assert load_recipe(str(tmp_path / "recipe.json")) == RECIPES[name]


def test_phantoms_are_drawn(cenet, tmp_path, capsys):
    assert cenet("phantoms", "vessels", tmp_path / "set", "--count", 2, "--seed", 3, "--size", 64) == 0
    folder = tmp_path / "set"
    assert capsys.readouterr().out == f"phantoms: {folder}\nnext: cenet doctor {folder}\n"
    assert read_label(tmp_path / "set" / "masks" / "fundus-001.png").shape == (64, 64)


def test_phantoms_of_every_task_are_asked_for_by_name(cenet, tmp_path, monkeypatch, capsys):
    from cenet import phantoms

    seen = []
    monkeypatch.setattr(phantoms, "write_phantoms", lambda folder, **options: seen.append((folder, options)))
    for task in phantoms.PHANTOMS:
        assert cenet("phantoms", task, tmp_path / task) == 0
    options = {"count": None, "seed": 0, "size_px": 512}
    assert seen == [(tmp_path / task, {"task": task, **options}) for task in phantoms.PHANTOMS]


def test_phantoms_of_no_task_are_refused_with_the_tasks(cenet, tmp_path, capsys):
    assert cenet("phantoms", "my-phantoms", tmp_path / "set") == 1
    message = "cenet: phantoms my-phantoms: there is no such task; choose from vessels,"
    assert capsys.readouterr().err.startswith(message)


def test_a_report_takes_what_is_shown_and_where(cenet, monkeypatch, capsys, tmp_path):
    from cenet.reporting import html_report as report

    seen = {}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "b").mkdir()
    monkeypatch.setattr(report, "report", lambda paths, **options: seen.update(paths=paths, **options) or "page.html")
    options = ("--split", "all", "--cases", 5, "--output", tmp_path / "page.html")
    assert cenet("report", "runs/a", "runs/b", *options) == 0
    assert capsys.readouterr().out == "report: page.html\n"
    assert [path.as_posix() for path in seen["paths"]] == ["runs/a", "runs/b"]
    assert seen["output"] == tmp_path / "page.html"
    assert (seen["part"], seen["protocol"], seen["tta"], seen["cases"]) == ("all", "region", False, 5)


def test_a_training_ends_with_what_to_do_next(run, images, monkeypatch, capsys, cenet, tmp_path):
    from cenet.inference.run import Run
    from cenet.training import train

    seen = {}

    def fake(recipe, data, **options):
        seen.update(recipe=recipe, data=data, **options)
        return Run(run)

    monkeypatch.setattr(train, "train", fake)
    (tmp_path / "recipe.json").write_text(load_recipe("folder").replace(seed=4).model_dump_json())
    options = ("--epochs", 3, "--dac", "none", "--use-stem-skip", "false", "--group-pattern", "eye-.")
    machine = ("--device", "cpu", "--precision", "32-true", "--workers", 2, "--logger", "tensorboard")
    assert cenet("train", tmp_path / "recipe.json", "--data", images, *options, *machine) == 0
    assert seen["recipe"] == load_recipe("folder").replace(seed=4, epochs=3, dac=None, use_stem_skip=False)
    assert str(seen["output"].as_posix()) == "runs/folder"
    assert (seen["data"], seen["group_pattern"], seen["logger"]) == (images, "eye-.", "tensorboard")
    assert (seen["device"].device, seen["device"].precision, seen["device"].workers) == ("cpu", "32-true", 2)
    facts, printed = Run(run).facts, capsys.readouterr().out
    assert f"validation images: {facts.validation_dice:.3f} at threshold {facts.thresholds[0]:.3g} (" in printed
    assert printed.endswith(f"next: cenet evaluate {run}\n")


def test_what_to_do_next_names_the_plugin_of_the_training(run, capsys):
    from cenet.cli.training_verbs import print_trained_run
    from cenet.inference.run import Run

    print_trained_run(Run(run), "my network.py")
    assert capsys.readouterr().out.endswith(f"next: cenet evaluate {run} --plugin 'my network.py'\n")


def test_a_run_without_a_test_part_is_next_used(run_copy, images, monkeypatch, capsys, cenet):
    from cenet.inference.run import Run
    from cenet.training import train

    parts = json.loads((run_copy / "splits.json").read_text())
    (run_copy / "splits.json").write_text(json.dumps({**parts, "test": []}))
    monkeypatch.setattr(train, "train", lambda *_, **__: Run(run_copy))
    assert cenet("train", "folder", "--data", images, "--device", "cpu") == 0
    assert capsys.readouterr().out.endswith(f"next: cenet predict {run_copy} IMAGE --output DIR\n")
    assert cenet("evaluate", run_copy, "--device", "cpu", "--split", "test") == 1
    answer = f"cenet: {run_copy}: its test part is empty; name a part with --split"
    assert capsys.readouterr().err.splitlines()[-1] == answer


@pytest.mark.parametrize(
    ("began", "option", "answer"),
    [
        ({"precision": "bf16-mixed"}, ("--precision", "32-true"), "started with --precision bf16-mixed, not 32-true"),
        ({}, ("--memory-format", "contiguous"), "started with --memory-format channels-last, not contiguous"),
        ({}, ("--deterministic",), "started without --deterministic; leave it out"),
    ],
)
def test_a_run_is_not_resumed_with_other_options(cenet, run_copy, capsys, began, option, answer):
    from cenet.inference.run import Run

    Run(run_copy).update(**began)
    assert cenet("train", "--resume", run_copy, "--device", "cpu", *option) == 1
    assert answer in capsys.readouterr().err


def test_a_run_is_resumed_with_the_options_it_was_started_with(cenet, run_copy, monkeypatch, capsys):
    from cenet.inference.run import Run
    from cenet.training import checkpoints, train

    seen = {}

    def fit(run, network, samples, machine, **options):
        seen.update(machine=machine, **options)
        return run

    monkeypatch.setattr(train, "run_training", fit)
    state = {"epoch": 0, "global_step": 0, "state_dict": {}, "loops": {}, "callbacks": {}, "stopped": False}
    state |= {"optimizer_states": [{}], "lr_schedulers": [{}]}
    checkpoints.save_checkpoint(run_copy / checkpoints.CHECKPOINTS / "epoch-0001.ckpt", state)
    Run(run_copy).update(finished=False, precision="bf16-mixed", memory_format="contiguous", deterministic=True)
    assert cenet("train", "--resume", run_copy, "--device", "cpu") == 0
    assert (seen["machine"].precision, seen["machine"].memory_format) == ("bf16-mixed", "contiguous")
    assert seen["deterministic"] is True


def test_a_demo_is_started(cenet, monkeypatch, tmp_path):
    from cenet.experiments import demo

    seen = {}
    monkeypatch.setattr(demo, "demo", lambda output, **options: seen.update(output=output, **options))
    assert cenet("demo", "--output", tmp_path / "demo", "--seed", 5, "--device", "cpu") == 0
    assert (seen["output"], seen["seed"], seen["device"].device) == (tmp_path / "demo", 5, "cpu")


def test_three_classes_pass_through_every_verb(cenet, classes_run, tmp_path, capsys):
    data = classes_run.parent / "data"
    assert cenet("evaluate", classes_run, "--device", "cpu", "--output", tmp_path / "scores") == 0
    assert "class 2, largest probability" in capsys.readouterr().out
    report = json.loads((tmp_path / "scores" / "report.json").read_text())
    assert [of_class["name"] for of_class in report["classes"]] == ["class 1", "class 2"]
    arguments = (data / "images" / "eye-0.png", "--output", tmp_path / "out", "--device", "cpu", "--probabilities")
    assert cenet("predict", classes_run, *arguments) == 0
    assert read_label(tmp_path / "out" / "eye-0_mask.png").shape == (48, 64)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("curve.csv", "epoch,stp,loss\n0,2,0.5\n"),
        ("curve.csv", "epoch,step,seconds\n0,2\n"),
        ("curve.csv", "epoch,step,seconds\n0,two,1\n"),
        ("environment.json", '{"python": '),
    ],
)
def test_a_run_folder_with_a_damaged_file_is_reported(cenet, run_copy, capsys, name, content):
    (run_copy / name).write_text(content)
    assert cenet("evaluate", run_copy, "--device", "cpu") == 1
    answer = f"cenet: {run_copy / name}: is not what cenet writes; copy the run folder again"
    assert capsys.readouterr().err.splitlines()[-1] == answer


# Ways to end ------------------------------------------------------------------------------------------------


def test_a_verb_that_is_stopped_says_so(cenet, monkeypatch, capsys):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Tasks, "execute", stop)
    assert cenet("tasks") == 130
    assert capsys.readouterr().err == "cenet: stopped\n"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)], ids=repr)
@pytest.mark.parametrize(
    ("begun", "arguments", "hint"),
    [
        (True, ("train", "folder"), "cenet train --resume {run}"),
        (False, ("train", "folder"), None),
        (True, ("train", "folder", "--seeds", 2), "give the same command again"),
        (True, ("cross-validate", "folder"), "give the same command again"),
        (True, ("ablate", "folder"), "give the same command again"),
    ],
)
def test_a_training_that_is_stopped_says_how_to_resume(
    cenet, images, monkeypatch, capsys, tmp_path, stop, begun, arguments, hint
):
    run = tmp_path / "run"

    def stopped(*_, **__):
        (run / "checkpoints").mkdir(parents=True)
        if begun:
            (run / "checkpoints" / "epoch-0000-12345678.ckpt").touch()
        raise stop

    workflows = ("seeds.train_seeds", "cross_validation.cross_validate", "ablation.ablate")
    for verb in ("training.train.train", *(f"experiments.{name}" for name in workflows)):
        monkeypatch.setattr(f"cenet.{verb}", stopped)
    status = cenet(*arguments, "--data", images, "--output", run, "--device", "cpu")
    assert status == (143 if isinstance(stop, SystemExit) else 130)
    lines = [line for line in capsys.readouterr().err.splitlines() if line and line != "cenet: stopped"]
    assert lines == ([f"to resume: {hint.format(run=run)}"] if hint else [])


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (PermissionError(13, "Permission denied", "place"), "cenet: place: Permission denied; check path"),
        (OSError(28, "No space left on device"), "cenet: a file: No space left on device; check path"),
        (MemoryError(), "cenet: what this takes does not fit into the memory; "),
    ],
    ids=["place", "space", "memory"],
)
def test_what_the_system_refuses_is_one_line(cenet, monkeypatch, capsys, error, answer):
    def fail(_):
        raise error

    monkeypatch.setattr(Tasks, "execute", fail)
    assert cenet("tasks") == 1
    printed = capsys.readouterr().err
    assert printed.startswith(answer)
    assert printed.count("\n") == 1


def test_nothing_more_is_printed_once_the_reader_of_a_pipe_has_gone(cenet, monkeypatch, capfd):
    def fail(_):
        raise BrokenPipeError

    redirected = []
    monkeypatch.setattr(Tasks, "execute", fail)
    monkeypatch.setattr("os.dup2", lambda *ends: redirected.append(ends))
    assert cenet("tasks") == 1
    assert [end for _, end in redirected] == [sys.stdout.fileno()]
    os.close(redirected[0][0])
    assert capfd.readouterr() == ("", "")


def test_a_reader_that_has_gone_is_no_error():
    code = "import sys; from cenet.cli.main import main; sys.exit(main(['tasks']))"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": buffered}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 1


def test_a_path_with_a_line_break_stays_on_its_line(run, tmp_path, capsys):
    from cenet.cli.training_verbs import print_trained_run
    from cenet.inference.run import Run

    folder = shutil.copytree(run, tmp_path / "eyes\nnote: done\x1b[2J", ignore=shutil.ignore_patterns("checkpoints"))
    print_trained_run(Run(folder))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["run:", "Dice", "next:"]
    assert not any("\x1b" in line for line in lines)
