"""`cenet pull` and `cenet push`: models in repositories of Hugging Face; every file is verified, none is a pickle."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cenet.config.json_files import read_json
from cenet.data.appearance import APPEARANCE
from cenet.data.io.files import check_writable, hash_file, write_text
from cenet.errors import CenetError
from cenet.exporting.bioimage import BIOIMAGE_NAMES
from cenet.exporting.hugging_face import HUB_CARD, HUB_CONFIG, HUB_LOCALISER, HUB_WEIGHTS, HubConfig
from cenet.inference.exported import ExportedInfo, ExportedModel, Sha256, Value
from cenet.inference.model_file import is_model_file
from cenet.inference.run import Run
from cenet.inference.run_folder import LOCALISER, METADATA, RECIPE, WEIGHTS

if TYPE_CHECKING:  # an extra, imported when it is used
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

HUB_RECORD = "hub.json"
PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
CONFIG_REMEDY = "name a repository that `cenet push` has written"
DAMAGED_REMEDY = "pull it again; if that does not help, its owner has to push it again"


class HubRecord(Value):
    """Where a run folder was pulled from, kept in it as `hub.json`.

    Args:
        format: Of this file.
        endpoint: The address of the server.
        repository: Its name there.
        commit: Its state, which never changes.
        files: The SHA-256 of each file, by its name in the repository.
    """

    format: Literal[1] = 1
    endpoint: str
    repository: str
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    files: dict[str, Sha256]


@dataclass(frozen=True)
class Push:
    """What was uploaded.

    Args:
        commit: The new state of the repository.
        url: Its address.
        files: The names of the files.
        left_out: The names of files in the folder that do not belong to the model.
    """

    commit: str
    url: str
    files: tuple[str, ...]
    left_out: tuple[str, ...]


def pull(repository: str, output: Path | str, *, revision: str = "main") -> Run:
    """Download a model, verify every file, and make a run folder of it.

    Only configuration, card and safetensors are downloaded; nothing in them is executed. All come from one commit.
    The server says what each file's checksum is, and the configuration what those of the weights are.

    Args:
        repository: OWNER/NAME; the server is that of the variable HF_ENDPOINT, or huggingface.co.
        output: The run folder to make.
        revision: A branch, a tag, or a commit.

    Raises:
        CenetError: The folder is occupied, the repository cannot be read, or a file is missing or damaged.
    """
    output = Path(output)
    check_repository_name(repository)
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise CenetError(output, "already exists", "choose another --output")
    check_writable(output.parent)
    api = connect()
    with translate_hub_errors(repository, revision):
        listing = api.model_info(repository, revision=revision, files_metadata=True)
    files = {file.rfilename: file for file in listing.siblings or ()}
    names = choose_files(repository, list(files))
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".cenet-pull-", dir=output.parent) as scratch:
        for name in names:
            with translate_hub_errors(repository, revision):
                path = api.hf_hub_download(repository, name, revision=listing.sha, local_dir=scratch)
            check_download(Path(path), files[name], repository)
        hashes = {name: hash_file(Path(scratch, name)) for name in names}
        record = HubRecord(endpoint=api.endpoint, repository=repository, commit=str(listing.sha), files=hashes)
        folder = build_run_folder(Path(scratch), record)
        if output.is_dir():
            output.rmdir()  # it is empty
        folder.rename(output)
    return Run(output)


def choose_files(repository: str, names: Sequence[str]) -> list[str]:
    """The files of a repository to download.

    Args:
        repository: Its name.
        names: Of all its files.

    Raises:
        CenetError: It is no repository of cenet, or holds pickles alone.
    """
    if HUB_CONFIG in names and HUB_WEIGHTS in names:
        return [name for name in (HUB_CARD, HUB_CONFIG, HUB_WEIGHTS, HUB_LOCALISER) if name in names]
    pickles = [name for name in names if Path(name).suffix in PICKLES]
    if pickles and HUB_WEIGHTS not in names:
        cause = f"has pickled weights ({pickles[0]}), which could run code, and no {HUB_WEIGHTS}"
        raise CenetError(repository, cause, CONFIG_REMEDY)
    missing = " and no ".join(name for name in (HUB_CONFIG, HUB_WEIGHTS) if name not in names)
    raise CenetError(repository, f"has no {missing}", CONFIG_REMEDY)


def check_download(path: Path, file: "RepoSibling", repository: str) -> None:
    """Compare a downloaded file with the checksum that the server states: SHA-256, or that of Git for a small file.

    Raises:
        CenetError: It is another, or none is stated.
    """
    if file.lfs is not None:
        is_whole = hash_file(path) == file.lfs.sha256
    else:
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        is_whole = blob.hexdigest() == file.blob_id
    if not is_whole:
        raise CenetError(f"{repository}/{file.rfilename}", "is damaged: its checksum differs", DAMAGED_REMEDY)


def build_run_folder(folder: Path, record: HubRecord) -> Path:
    """Make a run folder of downloaded files, inside their folder.

    Args:
        folder: Holds the files.
        record: Where they come from.

    Raises:
        CenetError: They do not belong together.
    """
    config = read_json(folder / HUB_CONFIG, HubConfig, remedy=CONFIG_REMEDY)
    if (config.localiser is None) != (config.model.recipe.roi_fraction is None):
        raise CenetError(f"{record.repository}/{HUB_CONFIG}", "does not fit its recipe: no localiser", CONFIG_REMEDY)
    run = folder / "run"
    _write_run(run, config.model, folder / HUB_WEIGHTS, record)
    if config.localiser is not None:
        _write_run(run / LOCALISER, config.localiser, folder / HUB_LOCALISER, record)
    if (folder / HUB_CARD).is_file():
        (folder / HUB_CARD).rename(run / HUB_CARD)
    write_text(run / HUB_RECORD, record.model_dump_json(indent=1))
    Run(run)  # opens it as every verb will
    return run


def _write_run(run: Path, info: ExportedInfo, weights: Path, record: HubRecord) -> None:
    if not weights.is_file() or hash_file(weights) != info.facts.weights_sha256:
        cause = f"is missing, or is not what {HUB_CONFIG} describes: its SHA-256 differs"
        raise CenetError(f"{record.repository}/{weights.name}", cause, DAMAGED_REMEDY)
    run.mkdir()
    origin = {
        "command": f"cenet pull {record.repository} --revision {record.commit}",
        "started_from": f"{record.repository} of {record.endpoint}",
    }
    write_text(run / METADATA, info.facts.model_copy(update=origin).model_dump_json(indent=1))
    write_text(run / RECIPE, info.recipe.model_dump_json(indent=1))
    if info.appearance is not None:
        write_text(run / APPEARANCE, info.appearance.model_dump_json(indent=1))
    weights.rename(run / WEIGHTS)


def push(folder: Path | str, repository: str, *, public: bool = False, message: str = "Add a model") -> Push:
    """Upload a model that `cenet export --hub` has written.

    Only the files of the model are uploaded, whatever else lies in the folder. A new repository is private.

    Args:
        folder: Holds them.
        repository: OWNER/NAME; it is made where it is missing.
        public: Anyone may see it.
        message: Of the commit.

    Raises:
        CenetError: The files are not whole, or the repository cannot be written.
    """
    folder = Path(folder)
    check_repository_name(repository)
    names = list_model_files(folder)
    api = connect()
    from huggingface_hub import CommitOperationAdd

    with translate_hub_errors(repository, "main"):
        api.create_repo(repository, private=not public, exist_ok=True)
        is_public = not api.model_info(repository).private
    if is_public and not public:
        raise CenetError(repository, "is a public repository", "add --public, or name another")
    with translate_hub_errors(repository, "main"):
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name in names]
        commit = api.create_commit(repository, operations, commit_message=message)
    left_out = sorted({path.name for path in folder.iterdir() if not path.name.startswith(".")} - {*names})
    return Push(commit.oid, commit.commit_url, tuple(names), tuple(left_out))


def list_model_files(folder: Path) -> list[str]:
    """The names of the files in a folder that belong to its model, each of which is opened and compared.

    Raises:
        CenetError: `cenet export --hub` did not write the folder, or a file is missing, damaged or of another model.
    """
    remedy = "write it with `cenet export RUN --output FOLDER/model.onnx --hub`"
    config = read_json(folder / HUB_CONFIG, HubConfig, remedy=remedy)
    weights = {HUB_WEIGHTS: config.model.facts.weights_sha256}
    if config.localiser is not None:
        weights[HUB_LOCALISER] = config.localiser.facts.weights_sha256
    for name, sha256 in weights.items():
        if not (folder / name).is_file() or hash_file(folder / name) != sha256:
            raise CenetError(folder / name, f"is missing, or belongs to another model than {HUB_CONFIG}", remedy)
    names = [HUB_CARD, HUB_CONFIG, *weights]
    for path in sorted(path for path in folder.iterdir() if is_model_file(path)):
        info = ExportedModel(path).info
        if info.facts.weights_sha256 not in weights.values():
            raise CenetError(path, f"belongs to another model than {HUB_CONFIG} beside it", remedy)
        names += [path.name, *([info.weights.name] if info.weights else [])]
    if not (folder / HUB_CARD).is_file():
        raise CenetError(folder / HUB_CARD, "is missing", remedy)
    return [*names, *(name for name in BIOIMAGE_NAMES if (folder / name).is_file())]


def check_repository_name(repository: str) -> None:
    """Refuse what cannot be the name of a repository.

    Raises:
        CenetError: It cannot.

    >>> check_repository_name("someone/eyes")
    """
    if not REPOSITORY.fullmatch(repository):
        raise CenetError(repository, "is not the name of a repository", "write it as OWNER/NAME")


def connect() -> "HfApi":
    """The client of the server, which knows the token of `hf auth login` or of the variable HF_TOKEN.

    Raises:
        CenetError: Its package is not installed.
    """
    if find_spec("huggingface_hub") is None:
        raise CenetError("huggingface_hub", "is not installed", "pip install 'cenet[hub]'")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="cenet")


@contextmanager
def translate_hub_errors(repository: str, revision: str) -> Iterator[None]:
    """Turn what the client raises into a sentence.

    Raises:
        CenetError: The server cannot be reached, or refuses.
    """
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    log_in = "log in with `hf auth login`, or set HF_TOKEN"
    try:
        yield
    except RevisionNotFoundError as error:
        raise CenetError(repository, f"has no revision {revision}", "name a branch, a tag or a commit") from error
    except RepositoryNotFoundError as error:
        cause = "there is no such repository, or you may not read it"
        raise CenetError(repository, cause, f"check the name, or {log_in}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise CenetError(repository, "your token may not do this", log_in) from error
        raise CenetError(repository, f"the server answered with the status {status}", "try again later") from error
    except (HTTPError, OSError) as error:
        cause = f"the server cannot be used ({str(error).partition(chr(10))[0] or type(error).__name__})"
        raise CenetError(repository, cause, "check the connection, and the variable HF_ENDPOINT") from error
