"""A checkpoint of the authors' code becomes a run like any other, with their input rule inside."""

import numpy as np
import pytest
import reference_networks as reference
import torch

from cenet import load, load_official
from cenet.errors import CenetError
from cenet.inference.import_authors import import_authors_checkpoint
from cenet.inference.run import Run
from cenet.networks.pretrained import sha256


def test_the_run_takes_images_as_they_are_and_says_what_the_authors_network_says(official_run):
    """On RGB 0..255 the run equals the checkpoint on BGR x / 255 * 3.2 - 1.6."""
    image = torch.randint(0, 256, (1, 3, 192, 192), generator=torch.Generator().manual_seed(1)).float()
    with torch.no_grad():
        expected = load_official(official_run.parent / "drive.th")(image.flip(1) / 255 * 3.2 - 1.6)
        logits = Run(official_run).network()(image)
    assert expected.std() > 0.01
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_an_image_is_squashed_to_448_without_smoothing_and_comes_back(official_run, monkeypatch):
    seen = []

    class Listener(torch.nn.Module):
        stride, min_size = 32, 192

        def forward(self, image):
            seen.append(image)
            return image[:, :1] * 0

    monkeypatch.setattr(Run, "network", lambda self: Listener())
    image = np.random.default_rng(0).integers(0, 256, (896, 600, 3), np.uint8)
    assert load(official_run)(image).mask.shape == (896, 600)
    assert seen[0].shape == (1, 3, 448, 448)
    row = image[:, 0].astype(float).reshape(448, 2, 3).mean(axis=1)  # halving, between two pixel centres
    np.testing.assert_allclose(seen[0][0, :, :, 0].T.numpy(), _left_column(image, row), atol=1e-2)


def _left_column(image, left):
    place = 0.5 * 600 / 448 - 0.5  # of the first column, in pixels of the image
    right = image[:, 1].astype(float).reshape(448, 2, 3).mean(axis=1)
    return left * (1 - place) + right * place


def test_the_run_says_where_it_comes_from(official_run):
    run, checkpoint = Run(official_run), official_run.parent / "drive.th"
    assert run.facts.started_from == f"the authors' checkpoint drive.th, SHA-256 {sha256(checkpoint)[:16]}"
    assert (run.facts.in_channels, run.facts.dtype, run.facts.classes) == (3, "uint8", ("foreground",))
    assert (run.facts.finished, run.facts.data, run.facts.epoch) == (True, None, None)
    assert (run.facts.operating_points, run.facts.labels) == ((), None)
    assert run.predictor().thresholds == (0.5,)
    assert (run.recipe.resize_mode, run.recipe.size_px, run.recipe.input_normalisation) == ("square", 448, "authors")
    assert run.split is None
    card = (official_run / "MODEL_CARD.md").read_text()
    assert "`cenet import-official drive.th --output runs/run`" in card
    assert str(official_run.parent) not in card


def test_several_classes_are_named(tmp_path):
    shapes = reference.authors_shapes(3)
    state = {name: torch.tensor(0.01).expand(shape) for name, shape in shapes.items()}
    torch.save(state, tmp_path / "layers.pth")
    run = import_authors_checkpoint(tmp_path / "layers.pth", output=tmp_path / "run")
    assert (run.recipe.num_classes, run.facts.classes) == (3, ("class 1", "class 2"))
    assert run.network().head.conv2.out_channels == 3


def test_a_checkpoint_that_is_not_theirs_leaves_nothing(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CenetError, match=r"other\.pth: finalconv3\.weight is missing"):
        import_authors_checkpoint(tmp_path / "other.pth", output=tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["other.pth"]


def test_an_output_that_exists_is_left_alone(official_run, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(CenetError, match=f"^{tmp_path}: already exists"):
        import_authors_checkpoint(official_run.parent / "drive.th", output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
