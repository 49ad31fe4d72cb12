"""Fixtures and settings that several tests share: drawn images, the command line, and runs trained once."""

import io
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import settings
from PIL import Image

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what it starts in the background
settings.register_profile("cenet", deadline=None, max_examples=40)  # no test asserts a time
settings.load_profile("cenet")

# The only reasons for which a test may be skipped; any other skip fails the run.
ALLOWED_SKIPS = (
    "the data set ",  # the real images may not be redistributed
    "there is no Chromium",  # the page is tested in a browser where there is one
    "only Linux",
    "Windows has no",
    "permissions of POSIX",
)
unlisted_skips = []


def pytest_runtest_logreport(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(ALLOWED_SKIPS):
            unlisted_skips.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session):
    if unlisted_skips and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    for skip in unlisted_skips:
        terminalreporter.write_line(f"skipped without a listed reason: {skip}", red=True)


@pytest.fixture(scope="session")
def data_set():
    """Gives the folder of a real data set in $CENET_DATA or ../shared/data; skips where it is absent."""
    root = Path(os.environ.get("CENET_DATA") or Path(__file__).parents[2] / "shared" / "data")

    def folder(name):
        if not (root / name).is_dir():
            pytest.skip(f"the data set {name} is not in {root}; set CENET_DATA to the folder that holds it")
        return root / name

    return folder


@pytest.fixture(scope="session")
def draw():
    """Draws a plain folder of small images: lines and a block on noise, with masks and regions."""

    def draw_folder(
        folder, *, count=6, shape=(48, 64), channels=3, dtype=np.uint8, num_classes=1, regions=True, seed=0
    ):
        height, width = shape
        for part in ("images", "masks", "regions")[: 3 if regions else 2]:
            (folder / part).mkdir(parents=True)
        for index in range(count):
            rng = np.random.default_rng((seed, index))
            label = np.zeros(shape, np.uint8)
            label[rng.integers(2, height - 4) :][:3] = 1
            label[:, rng.integers(2, width - 4) :][:, :2] = 1
            if num_classes > 2:
                label[height // 3 : height // 2, width // 3 : width // 2] = 2
            bright = np.array([60, 150, 100])[label][..., None] + rng.normal(0, 50, (*shape, channels))
            image = np.clip(bright, 0, 255).astype(dtype) * np.dtype(dtype).type(1 if dtype == np.uint8 else 16)
            name = f"eye-{index}"
            if dtype == np.uint8 or channels == 1:
                Image.fromarray(image.squeeze()).save(folder / "images" / f"{name}.png")
            else:
                tifffile.imwrite(folder / "images" / f"{name}.tif", image, photometric="rgb")
            values = label if num_classes > 1 else label * np.uint8(255)
            Image.fromarray(values).save(folder / "masks" / f"{name}.png")
            if regions:
                region = np.zeros(shape, np.uint8)
                region[4:-4, 6:-6] = 255
                Image.fromarray(region).save(folder / "regions" / f"{name}.png")
        return folder

    return draw_folder


@pytest.fixture(scope="session")
def cenet():
    """The command line, in this process: gives the exit status."""
    import torch

    from cenet.cli.main import main

    torch.set_num_threads(1)  # the same sums on every machine

    def run(*arguments):
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return stop.code

    return run


@pytest.fixture(scope="session")
def small():
    """Options that make a training end in a moment, whatever the recipe."""
    from tiny_network import TINY

    tiny = ("--network", TINY, "--encoder-weights", "none", "--crop-px", 32)
    short = ("--epochs", 2, "--steps-per-epoch", 2, "--batch-size", 2, "--test-fraction", 0.34)
    quick = ("--validate-tta", "false", "--device", "cpu", "--precision", "32-true", "--workers", 0)
    return *tiny, *short, *quick


@pytest.fixture(scope="session")
def keep(tmp_path_factory):
    """Makes folders for what is trained once; they are large, so they go when the tests end."""
    kept = []

    def folder(name):
        kept.append(tmp_path_factory.mktemp(name))
        return kept[-1]

    yield folder
    for path in kept:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def tab(tmp_path_factory):
    """A tab of Chromium."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if sys.platform == "win32" or chromium is None:
        pytest.skip("there is no Chromium in PATH; install your system's package to test pages in a browser")
    from browser import open_tab

    with open_tab(chromium, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="session")
def images(draw, keep):
    """A plain folder of six drawn images. Not to be changed."""
    return draw(keep("drawn") / "images-of-eyes")


@pytest.fixture(scope="session")
def run(cenet, small, images, keep):
    """A trained run: a tiny network, two epochs of two steps. Not to be changed."""
    folder = keep("runs") / "trained"
    assert cenet("train", "folder", "--data", images, "--output", folder, *small) == 0
    return folder


@pytest.fixture
def run_copy(run, tmp_path):
    """A copy of the trained run without its checkpoint, to be changed."""
    yield shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints", ".lock"))
    shutil.rmtree(tmp_path / "copy")


@pytest.fixture(scope="session")
def classes_run(cenet, small, draw, keep):
    """A run of three classes, and its images beside it. Not to be changed."""
    folder = keep("classes")
    draw(folder / "data", num_classes=3)
    options = ("--num-classes", 3, *small, "--epochs", 1)
    assert cenet("train", "folder", "--data", folder / "data", "--output", folder / "run", *options) == 0
    return folder / "run"


@pytest.fixture(scope="session")
def grey16_run(cenet, small, draw, keep):
    """A run of 16-bit grey images without regions, and its images beside it. Not to be changed."""
    folder = keep("grey16")
    draw(folder / "data", channels=1, dtype=np.uint16, regions=False)
    options = (*small, "--epochs", 1)
    assert cenet("train", "folder", "--data", folder / "data", "--output", folder / "run", *options) == 0
    return folder / "run"


@pytest.fixture(scope="session")
def official_run(cenet, keep):
    """A run made of a checkpoint of the authors' code with random weights, beside it. Not to be changed."""
    import reference_networks as reference
    import torch

    folder = keep("official")
    state = {name: torch.empty(shape) for name, shape in reference.authors_shapes().items()}
    reference.randomise(state, seed=5)
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, folder / "drive.th")
    assert cenet("import-official", folder / "drive.th", "--output", folder / "run") == 0
    return folder / "run"


@pytest.fixture(scope="session")
def cenet_run(run, keep):
    """A CE-Net with a ResNet-18 and random weights, else as the trained run. Not to be changed."""
    import torch

    from cenet.config.presets import load_recipe
    from cenet.inference.run import Run
    from cenet.networks.registry import build_network

    tiny, recipe = Run(run), load_recipe("folder").replace(encoder="resnet18", encoder_weights="none", crop_px=192)
    made = Run.create(keep("cenet") / "run", recipe, tiny.facts, split=tiny.split)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        made.save_weights(build_network(recipe))
    return made.path


@pytest.fixture
def bench(images, run, small, cenet, tmp_path, monkeypatch):
    """A workbench for bad input, on a machine without accelerator and without fetched weights."""
    import torch
    from bench import Bench

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("CENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CENET_MAX_PIXELS", "")  # --max-pixels changes it
    monkeypatch.chdir(tmp_path)
    yield Bench(tmp_path, images=images, run=run, small=small, cenet=cenet)
    shutil.rmtree(tmp_path / "run", ignore_errors=True)


@pytest.fixture
def uninitialised(monkeypatch):
    """Networks are built without drawing weights, for tests in which the weights are overwritten or do not matter."""
    from torch import nn

    for layer in (nn.Conv2d, nn.ConvTranspose2d):
        monkeypatch.setattr(layer, "reset_parameters", lambda self: None)


@pytest.fixture
def blank_plots(monkeypatch):
    """Figures are saved blank, for tests of what stands around them: drawing takes most of a page's time."""
    from matplotlib.figure import Figure

    def save_blank(figure, file, **_):
        blank = '<svg viewBox="0 0 1 1"></svg>'
        file.write(blank if isinstance(file, io.TextIOBase) else blank.encode())

    monkeypatch.setattr(Figure, "savefig", save_blank)


@pytest.fixture
def machine():
    """This machine's processor, in single precision."""
    from cenet.inference.device import resolve_device

    return resolve_device(device="cpu", precision="32-true", workers=0)


@pytest.fixture
def unfitted(monkeypatch):
    """Training that stops before its first step: gives what it would have started with."""
    from cenet.training import train as training

    begun = {}

    def fit(run, network, samples, device, **options):
        begun.update(run=run, network=network, samples=samples, **options)
        return run

    monkeypatch.setattr(training, "run_training", fit)
    return begun
