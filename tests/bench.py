"""A workbench for bad input: sound images to break, the commands, and what must hold of every refusal."""

import json
import shutil
from pathlib import Path

from cenet.errors import CenetError


class Bench:
    """A place with sound images, and the commands whose output would be `out`.

    Args:
        folder: The place.
        images: A folder of drawn images; a copy of it is `data`, of which `image` is one to learn from.
        run: A run that was trained on them; `learnt` and `held_out` are names in its split.
        small: Options of a small training.
        cenet: The command line.
    """

    def __init__(self, folder, *, images, run, small, cenet):
        self.folder, self.images, self.run, self.small, self.command_line = folder, images, run, small, cenet
        self.data, self.out = folder / "data", folder / "out"
        self.split = json.loads((run / "splits.json").read_text())
        self.learnt, self.held_out = (self.split[part][-1]["name"] for part in ("train", "test"))
        parts = ("images", "masks", "regions")
        self.image, self.mask, self.region = (self.data / part / f"{self.learnt}.png" for part in parts)
        shutil.copytree(images, self.data)

    def train(self, *options, recipe="folder", output=None):
        return "train", recipe, "--data", self.data, "--output", output or self.out, *self.small, *options

    def cenet(self, *options):
        return self.train("--network", "cenet", "--encoder", "resnet18", "--crop-px", 192, *options)

    def cross_validate(self, *options):
        words = list(self.train(*options)[1:])
        place = words.index("--test-fraction")
        return "cross-validate", *words[:place], *words[place + 2 :]

    def evaluate(self, *options, run=None):
        return "evaluate", run or self.run, "--device", "cpu", "--output", self.out, *options

    def predict(self, image, *options, run=None):
        return "predict", run or self.run, image, "--device", "cpu", "--output", self.out, *options

    def scored(self, name, *options):
        """The folder of a report on the run."""
        assert self.command_line(*self.evaluate(*options, "--overlays", 0, "--output", self.folder / name)) == 0
        return self.folder / name

    def file(self, name, content=b"mine"):
        """Put a file somewhere."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run_copy(self):
        """A copy of the run, to be broken."""
        return shutil.copytree(self.run, self.folder / "run", ignore=shutil.ignore_patterns("checkpoints", ".lock"))

    def unfinished_run(self):
        """A copy of the run as if its training had not come to its end."""
        file = self.run_copy() / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "finished": False}))
        return file.parent

    def check(self, case, capsys, monkeypatch):
        """Run a case: it is refused because of the right thing, with a remedy, and every file is as it was."""
        command, subject, *mentions = case(self)
        before, errors = self.files(), self.record_errors(monkeypatch)
        capsys.readouterr()
        assert self.command_line(*command) == 1
        answers = [line for line in capsys.readouterr().err.splitlines() if line and not line.endswith("/s]")]
        assert len(answers) == 1, answers  # beside progress bars
        error = next(error for error in errors if answers == [f"cenet: {error}"])
        places = {error.subject, *map(str, Path(error.subject).parents)}  # a file, or a folder that it lies in
        assert subject is None or str(subject) in places, answers
        assert error.remedy
        text = error.cause + error.remedy
        assert [mention for mention in mentions if mention not in text] == [], answers
        assert self.files() == before

    def record_errors(self, monkeypatch):
        """A list that will hold the errors that are made from now on."""
        errors, make = [], CenetError.__init__

        def record(error, *parts):
            make(error, *parts)
            errors.append(error)

        monkeypatch.setattr(CenetError, "__init__", record)
        return errors

    def files(self):
        places = (self.folder, self.run, self.images)
        paths = [path for place in places for path in place.rglob("*")]
        return {
            path: None if path.suffix == ".lock" or path.name == ".lock" else path.stat().st_mtime_ns for path in paths
        }
