"""The verbs that exchange models with a repository of Hugging Face; no other verb uses the network for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cenet.cli.options import Flag
from cenet.cli.paths import check_folder
from cenet.safe_text import format_bytes, print_line


@dataclass(frozen=True, kw_only=True)
class Pull:
    """Download a model from Hugging Face. Needs cenet[hub].

    - It becomes a run folder, and every file is verified.
    - Only safetensors, configuration and card are read; pickles are refused.
    - All files are of one commit, which is printed.

    Examples:
      cenet pull OWNER/eyes --output runs/eyes
      cenet predict runs/eyes eye.png --output masks
    """

    repository: Annotated[Positional[str], arg(metavar="OWNER/NAME", help_behavior_hint="")]
    """a repository that `cenet push` has written"""
    output: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="(default: runs/NAME)")] = None
    """run folder to make"""
    revision: Annotated[str, arg(metavar="REVISION")] = "main"
    """commit, tag or branch; a commit gives the same files for ever"""

    def execute(self) -> None:
        """Download it, and say what it is and what to do next."""
        from cenet.config.json_files import read_json
        from cenet.exporting.hub import HUB_RECORD, HubRecord, check_repository_name, pull

        check_repository_name(self.repository)
        output = self.output or Path("runs", self.repository.partition("/")[2])
        run = pull(self.repository, output, revision=self.revision)
        record = read_json(run.path / HUB_RECORD, HubRecord, remedy="pull it again")
        for name, sha256 in record.files.items():
            print_line(f"verified: {name}, SHA-256 {sha256}")
        print_line(f"pulled: {run.path}, commit {record.commit}")
        print_line(f"same files again: cenet pull {self.repository} --revision {record.commit}")
        print_line(f"licence, limits and scores: {run.path / 'README.md'}")
        print_line(f"next: cenet predict {run.path} IMAGE --output masks")


@dataclass(frozen=True, kw_only=True)
class Push:
    """Upload a model to Hugging Face. Needs cenet[hub].

    - `cenet export --hub` writes the model, and only its files are uploaded.
    - A new repository is private.

    Examples:
      cenet export runs/eyes --output eyes/model.onnx --hub
      cenet push eyes OWNER/eyes
    """

    folder: Annotated[Positional[Path], arg(metavar="FOLDER", help_behavior_hint="")]
    """the folder of the exported model"""
    repository: Annotated[Positional[str], arg(metavar="OWNER/NAME", help_behavior_hint="")]
    """the repository, which is made where it is missing"""
    public: Flag = False
    """let anyone see it; read README.md first, as it will be seen"""
    message: Annotated[str, arg(metavar="TEXT")] = "Add a model"
    """of the commit"""

    def execute(self) -> None:
        """Upload it, and print what was uploaded."""
        check_folder(self.folder)
        from cenet.exporting.hub import push

        result = push(self.folder, self.repository, public=self.public, message=self.message)
        for name in result.files:
            print_line(f"uploaded: {name} ({format_bytes((self.folder / name).stat().st_size)})")
        for name in result.left_out:
            print_line(f"left out: {name}, which is not of the model")
        print_line(f"pushed: {result.url}")
        print_line(f"next: cenet pull {self.repository} --revision {result.commit}")
