"""The authors' protocol, against a plain implementation of what is known of their test script."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.metrics import roc_auc_score
from torch import nn

from cenet.errors import CenetError
from cenet.evaluate import evaluate
from cenet.machine import choose
from cenet.protocols import PROTOCOLS, check_protocol
from cenet.recipe import RECIPES
from cenet.runs import Run

CPU = choose(device="cpu", precision="32-true", workers=0)


class Stub(nn.Module):
    """A network as quick as one convolution, which no flip or turn leaves alone; its input rule is the run's."""

    stride, min_size = 32, 192

    def __init__(self, normalise):
        super().__init__()
        self.normalise, self.convolution = normalise, nn.Conv2d(3, 1, 5, padding=2)
        with torch.no_grad():
            weight = torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
            self.convolution.weight.copy_(weight - weight.mean() + 0.05)
            self.convolution.bias.fill_(3)

    def forward(self, image):
        return self.convolution(self.normalise(image))


def bilinear(image, shape):
    """Resize as cv2.resize does: pixel centres at halves, edges repeated, no smoothing."""
    for axis, size in enumerate(shape):
        length = image.shape[axis]
        place = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(place).astype(int)
        high, part = np.minimum(low + 1, length - 1), place - low
        part = part.reshape([-1 if a == axis else 1 for a in range(image.ndim)])
        image = np.take(image, low, axis) * (1 - part) + np.take(image, high, axis) * part
    return image


def authors_sum(image, convolution):
    """The sum of eight predictions at 448 x 448: with and without a quarter turn, each in four flips."""
    squashed = bilinear(image[..., ::-1].astype(float), (448, 448)) / 255 * 3.2 - 1.6  # BGR
    total = np.zeros((448, 448))
    for turned in (False, True):
        for up_down in (False, True):
            for left_right in (False, True):
                variant = np.rot90(squashed) if turned else squashed
                variant = variant[::-1] if up_down else variant
                variant = variant[:, ::-1] if left_right else variant
                batch = torch.from_numpy(variant.copy()).permute(2, 0, 1)[None].float()
                with torch.no_grad():
                    answer = F.conv2d(batch, convolution.weight, convolution.bias, padding=2).sigmoid()[0, 0].numpy()
                answer = answer[:, ::-1] if left_right else answer
                answer = answer[::-1] if up_down else answer
                total += np.rot90(answer, -1) if turned else answer
    return total


def test_the_authors_protocol_is_that_of_their_test_script(official_run, draw, tmp_path, monkeypatch):
    data = draw(tmp_path / "data", count=2, shape=(520, 470))
    stub = Stub(Run(official_run).network().normalise).eval()
    monkeypatch.setattr(Run, "network", lambda self: stub)
    report = evaluate(official_run, data=data, protocol="authors", machine=CPU, output=tmp_path / "scores", worst=0)
    auc, accuracy, sensitivity = [], [], []
    for index in range(2):
        image = np.array(Image.open(data / "images" / f"eye-{index}.png"))
        truth = np.array(Image.open(data / "masks" / f"eye-{index}.png")) > 0
        total = authors_sum(image, stub.convolution)
        auc.append(roc_auc_score(truth.ravel(), bilinear(total / 8, truth.shape).ravel()))
        mask = bilinear(np.where(total > 4, 255.0, 0.0), truth.shape) > 20
        accuracy.append((mask == truth).mean())
        sensitivity.append(mask[truth].mean())
    found = report["classes"]["foreground"]
    assert list(found["cuts"]) == ["4 of 8, then 20/255"]
    per_image = found["cuts"]["4 of 8, then 20/255"]["per_image"]
    assert 0.05 < np.mean(sensitivity) < 0.95  # the cut matters
    assert found["auc_per_image"]["mean"] == pytest.approx(np.mean(auc), abs=1e-5)
    assert found["auc_per_image"]["sd"] == pytest.approx(np.std(auc, ddof=1), abs=1e-5)
    assert per_image["accuracy"]["mean"] == pytest.approx(np.mean(accuracy), abs=2e-5)
    assert per_image["sensitivity"]["mean"] == pytest.approx(np.mean(sensitivity), abs=2e-4)
    assert found["pixels"] == 2 * 520 * 470  # the whole frame, though there are regions
    assert report["protocol"] == {"name": "authors", "description": PROTOCOLS["authors"], "views": 8}
    assert report["data"]["part"] == "all"
    assert report["commands"][1] == "cenet evaluate runs/run --split all --protocol authors --data data --task folder"


def test_an_imported_run_is_scored_by_every_protocol(official_run, draw, tmp_path, monkeypatch):
    data = draw(tmp_path / "data", count=1)
    stub = Stub(Run(official_run).network().normalise).eval()
    monkeypatch.setattr(Run, "network", lambda self: stub)
    reports = {
        protocol: evaluate(official_run, data=data, protocol=protocol, machine=CPU, output=tmp_path / protocol)
        for protocol in ("region", "frame", "authors")
    }
    assert len({report["classes"]["foreground"]["auc_pooled"] for report in reports.values()}) == 3
    # Nobody chose a threshold on validation images for it.
    cuts = {protocol: list(report["classes"]["foreground"]["cuts"]) for protocol, report in reports.items()}
    assert cuts == {"region": ["threshold 0.5"], "frame": ["threshold 0.5"], "authors": ["4 of 8, then 20/255"]}
    assert {protocol: report["protocol"]["views"] for protocol, report in reports.items()} == {
        "region": 1,
        "frame": 1,
        "authors": 8,
    }


@pytest.mark.parametrize("changes", [{"fit": "native", "crop_px": 448}, {"size_px": 512}, {"num_classes": 2}], ids=str)
def test_the_authors_protocol_is_refused_elsewhere_with_the_reason(changes):
    recipe = RECIPES["drive-paper"]
    check_protocol("authors", recipe)
    for protocol in ("region", "frame"):
        check_protocol(protocol, recipe.replace(**changes))
    with pytest.raises(CenetError) as error:
        check_protocol("authors", recipe.replace(**changes))
    assert "is defined for one class at 448x448 squash" in str(error.value)
    assert str(error.value).endswith("use --protocol region or frame")


def test_the_authors_protocol_is_refused_before_anything_is_read(run, tmp_path):
    with pytest.raises(CenetError, match="the protocol authors is defined for"):
        evaluate(run, data=tmp_path / "nowhere", protocol="authors", machine=CPU)
