"""What a protocol sees of an image, and the authors' own against what is known of their test script."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import roc_auc_score
from torch import nn

from cenet.config.presets import RECIPES
from cenet.errors import CenetError
from cenet.evaluation.cases import load_case
from cenet.evaluation.evaluate import evaluate
from cenet.evaluation.protocol import PROTOCOLS, VALIDATION_THRESHOLD, ClassView, apply_protocol, check_protocol
from cenet.evaluation.report import ProtocolInfo
from cenet.inference.device import resolve_device
from cenet.inference.ensemble import EnsemblePredictor
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.metrics.binned import histogram
from cenet.networks.normalise import Normalise

CPU = resolve_device(device="cpu", precision="32-true", workers=0)


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
    report = evaluate(official_run, data=data, protocol="authors", device=CPU, output=tmp_path / "scores")
    auc, accuracy, sensitivity = [], [], []
    for index in range(2):
        image = np.array(Image.open(data / "images" / f"eye-{index}.png"))
        truth = np.array(Image.open(data / "masks" / f"eye-{index}.png")) > 0
        total = authors_sum(image, stub.convolution)
        auc.append(roc_auc_score(truth.ravel(), bilinear(total / 8, truth.shape).ravel()))
        mask = bilinear(np.where(total > 4, 255.0, 0.0), truth.shape) > 20
        accuracy.append((mask == truth).mean())
        sensitivity.append(mask[truth].mean())
    (result,) = report.classes
    (threshold,) = result.thresholds
    assert threshold.name == "4 of 8, then 20/255"
    assert 0.05 < np.mean(sensitivity) < 0.95  # the threshold matters
    assert result.per_image["auc"].value == pytest.approx(np.mean(auc), abs=1e-5)
    assert result.per_image["auc"].sd == pytest.approx(np.std(auc, ddof=1), abs=1e-5)
    assert threshold.per_image["accuracy"].value == pytest.approx(np.mean(accuracy), abs=2e-5)
    assert threshold.per_image["sensitivity"].value == pytest.approx(np.mean(sensitivity), abs=2e-4)
    assert result.pixels == 2 * 520 * 470  # the whole frame, though there are regions
    assert report.protocol == ProtocolInfo(name="authors", description=PROTOCOLS["authors"], views=8)
    assert report.data.part == "all"
    assert report.commands[1] == "cenet evaluate runs/run --split all --protocol authors --data data --task folder"


def test_the_mask_that_was_scored_is_kept(official_run, draw, tmp_path, monkeypatch):
    data = draw(tmp_path / "data", count=1, shape=(520, 470))
    stub = Stub(Run(official_run).network().normalise).eval()
    monkeypatch.setattr(Run, "network", lambda self: stub)
    report = evaluate(official_run, data=data, protocol="authors", device=CPU, output=tmp_path / "scores")
    counts = report.classes[0].thresholds[0].counts
    assert int(load_case(tmp_path / "scores", "eye-0").mask.sum()) == counts.tp + counts.fp


def test_an_imported_run_is_scored_by_every_protocol(official_run, draw, tmp_path, monkeypatch):
    data = draw(tmp_path / "data", count=1)
    stub = Stub(Run(official_run).network().normalise).eval()
    monkeypatch.setattr(Run, "network", lambda self: stub)
    reports = {
        protocol: evaluate(official_run, data=data, protocol=protocol, device=CPU, output=tmp_path / protocol)
        for protocol in ("region", "frame", "authors")
    }
    assert len({report.classes[0].pooled["auc"].value for report in reports.values()}) == 3
    # Nobody chose a threshold on validation images for it.
    names = {
        protocol: [threshold.name for threshold in report.classes[0].thresholds] for protocol, report in reports.items()
    }
    assert names == {"region": ["threshold 0.5"], "frame": ["threshold 0.5"], "authors": ["4 of 8, then 20/255"]}
    assert {protocol: report.protocol.views for protocol, report in reports.items()} == {
        "region": 1,
        "frame": 1,
        "authors": 8,
    }


@pytest.mark.parametrize(
    "changes", [{"resize_mode": "native", "crop_px": 448}, {"size_px": 512}, {"num_classes": 2}], ids=str
)
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
        evaluate(run, data=tmp_path / "nowhere", protocol="authors", device=CPU)


# --- what a protocol sees ----------------------------------------------------------------------------------


class Channels(nn.Module):
    """A network that answers with the image's own channels as logits."""

    stride, min_size = 1, 1

    def __init__(self, channels):
        super().__init__()
        self.normalise = Normalise(channels, mean=128.0, std=40.0)

    def forward(self, image):
        return self.normalise(image)


IMAGE = np.random.default_rng(0).integers(0, 256, (12, 15, 3), dtype=np.uint8)
LABEL = np.random.default_rng(1).integers(0, 3, (12, 15)).astype(np.uint8)
REGION = np.random.default_rng(2).random((12, 15)) < 0.6


def predictor(maps, *, nested=False, **options):
    num_classes = maps + nested
    return Predictor(Channels(maps), RECIPES["folder"].replace(num_classes=num_classes, nested=nested), **options)


def seen_by(protocol, engine, maps, **options):
    return apply_protocol(protocol, engine, IMAGE[..., :maps], label=LABEL, region=REGION, **options)


def test_one_foreground_is_cut_at_the_chosen_threshold_and_at_one_half():
    engine = predictor(1, thresholds=[0.7], calibration=[(2.0, 0.5)])
    result = apply_protocol("region", engine, IMAGE[..., :1], label=LABEL, region=REGION)
    mask, (seen,) = result.mask, result.views
    prediction = engine(IMAGE[..., :1])
    assert np.array_equal(mask, prediction.mask)
    assert np.array_equal(seen.scores, prediction.probabilities[0])
    assert np.array_equal(seen.raw, engine.predict_raw(IMAGE[..., :1])[0])
    assert np.abs(seen.raw - seen.scores).max() > 0.1
    assert np.array_equal(seen.truth, LABEL > 0)
    assert list(seen.masks) == [VALIDATION_THRESHOLD, "threshold 0.5"]
    for cut, threshold in zip(seen.masks, (0.7, 0.5), strict=True):
        assert np.array_equal(seen.masks[cut], seen.scores >= np.float32(threshold))


def test_an_ensemble_is_seen_before_calibration_too():
    members = [predictor(1, thresholds=[0.5], calibration=[pair]) for pair in ((0.5, 0.3), (2.0, -0.4))]
    result = apply_protocol("frame", EnsemblePredictor(members), IMAGE[..., :1], label=LABEL)
    mask, (seen,) = result.mask, result.views
    assert np.allclose(seen.raw, members[0].predict_raw(IMAGE[..., :1])[0])
    assert np.allclose(seen.scores, np.mean([member(IMAGE[..., :1]).probabilities[0] for member in members], axis=0))
    assert np.abs(seen.raw - seen.scores).max() > 0.01
    assert np.array_equal(mask, seen.masks[VALIDATION_THRESHOLD])


def test_nested_regions_are_seen_with_all_that_lies_inside_them():
    engine = predictor(2, nested=True, thresholds=[0.6, 0.4])
    result, drawn = seen_by("region", engine, 2), LABEL
    mask, seen = result.mask, result.views
    assert len(seen) == 2
    for level, view in enumerate(seen, start=1):
        assert np.array_equal(view.truth, drawn >= level)
        assert np.array_equal(view.scores, engine(IMAGE[..., :2]).probabilities[level - 1])
        assert np.array_equal(view.masks[VALIDATION_THRESHOLD], mask >= level)
        assert np.array_equal(view.masks["threshold 0.5"], np.all([s.scores >= 0.5 for s in seen[:level]], axis=0))
    for cut in seen[0].masks:
        assert not (seen[1].masks[cut] & ~seen[0].masks[cut]).any()
    assert (seen[1].scores >= 0.5)[~seen[0].masks["threshold 0.5"]].any()


def test_exclusive_classes_are_seen_one_against_the_rest_without_the_background():
    engine = predictor(3, calibration=[(0.5, 0.0)])
    result, drawn = seen_by("frame", engine, 3), LABEL
    mask, seen = result.mask, result.views
    assert np.array_equal(mask, engine(IMAGE).mask)
    assert len(seen) == 2
    for k, view in enumerate(seen, start=1):
        assert np.array_equal(view.truth, drawn == k)
        assert np.array_equal(view.scores, engine(IMAGE).probabilities[k])
        assert np.array_equal(view.raw, engine.predict_raw(IMAGE)[k])
        assert list(view.masks) == ["largest probability"]
        assert np.array_equal(view.masks["largest probability"], mask == k)


def test_a_threshold_that_was_not_chosen_is_not_applied():
    (seen,) = seen_by("region", predictor(1, thresholds=[0.7]), 1, validated=False).views
    assert list(seen.masks) == ["threshold 0.5"]


@pytest.mark.parametrize(
    ("protocol", "maps", "nested"), [("region", 1, False), ("frame", 2, True), ("frame", 3, False), ("region", 2, True)]
)
def test_the_region_decides_which_pixels_count_and_unannotated_ones_never_do(protocol, maps, nested):
    label = np.where(np.indices(LABEL.shape)[1] < 4, np.uint8(255), LABEL)
    seen = apply_protocol(protocol, predictor(maps, nested=nested), IMAGE[..., :maps], label=label, region=REGION).views
    expected = (label != 255) & (REGION | (protocol == "frame"))
    for view in seen:
        assert np.array_equal(view.inside, expected)
        assert view.region is (None if protocol == "frame" else REGION)


def test_in_the_authors_protocol_too_unannotated_pixels_never_count():
    recipe = RECIPES["drive-paper"].replace(encoder_weights="none")
    engine = Predictor(Channels(1), recipe, tta=True)
    label = np.where(np.indices(LABEL.shape)[1] < 4, np.uint8(255), LABEL > 0).astype(np.uint8)
    (seen,) = apply_protocol("authors", engine, IMAGE[..., :1], label=label, region=REGION).views
    assert np.array_equal(seen.inside, label != 255)
    assert np.array_equal(seen.truth[seen.inside], label[seen.inside] == 1)


def test_without_a_region_every_drawn_pixel_counts():
    (seen,) = apply_protocol("region", predictor(1), IMAGE[..., :1], label=LABEL).views
    assert seen.inside.all()


@pytest.mark.parametrize("blank", [(slice(2, 9), slice(4, 11)), (slice(None), slice(0, 5))])
def test_the_border_of_unannotated_pixels_is_no_edge(blank):
    label = np.ones(LABEL.shape, np.uint8)
    label[blank] = 255
    sure = Predictor(Channels(1), RECIPES["folder"], thresholds=[1e-6])
    (seen,) = apply_protocol("frame", sure, IMAGE[..., :1], label=label).views
    assert seen.count_pixels("", "").edges.sum() == 0
    label[:, 12:] = 0
    (seen,) = apply_protocol("frame", sure, IMAGE[..., :1], label=label).views
    near = np.indices(label.shape)[1] >= 9
    assert seen.count_pixels("", "").edges.sum() == (near & (label != 255)).sum()


def test_a_label_without_annotation_counts_nowhere():
    (seen,) = apply_protocol("frame", predictor(1), IMAGE[..., :1], label=np.full(LABEL.shape, 255, np.uint8)).views
    assert not seen.inside.any()
    assert seen.count_pixels("", "").histograms.sum() == 0


def test_errors_name_the_image():
    with pytest.raises(CenetError, match=r"^eye 7: has 2 channels of uint8 where "):
        seen_by("region", predictor(1, expects=(1, "uint8")), 2, name="eye 7")


# --- what is counted of it ---------------------------------------------------------------------------------


@pytest.fixture
def seen():
    rng = np.random.default_rng(3)
    truth = np.hypot(*(np.indices((40, 50)) - [[[20]], [[22]]])) < 11
    scores = np.clip(rng.normal(0.3 + 0.4 * truth, 0.15), 0, 1).astype(np.float32)
    masks = {"first": scores >= 0.5, "second": scores >= 0.6}
    return ClassView(scores, scores**2, truth, masks, np.indices((40, 50))[1] > 15)


def test_the_pixels_that_count_are_counted_for_every_threshold(seen):
    counts = seen.count_pixels("eye 7", "patient 3")
    assert (counts.images, counts.groups, counts.thresholds) == (("eye 7",), ("patient 3",), ("first", "second"))
    truth, inside = seen.truth, seen.inside
    for index, mask in enumerate(seen.masks.values()):
        pairs = [(mask & truth), (mask & ~truth), (~mask & truth), (~mask & ~truth)]
        assert counts.confusion[0, index].tolist() == [int((pair & inside).sum()) for pair in pairs]
    assert counts.auc[0] == pytest.approx(roc_auc_score(truth[inside], seen.scores[inside]))


def test_the_histograms_are_of_the_pixels_that_count_before_and_after_calibration(seen):
    counts, inside = seen.count_pixels("", ""), seen.inside
    assert np.array_equal(counts.histograms, histogram(seen.scores[inside], seen.truth[inside])[None])
    assert np.array_equal(counts.before, histogram(seen.raw[inside], seen.truth[inside]))


def test_near_an_edge_means_less_than_three_pixels_from_one_of_the_truth_or_of_the_first_cut(seen):
    near = np.zeros_like(seen.inside)
    for edge in (seen.truth, seen.masks["first"]):
        border = np.zeros_like(edge)
        for row, column in np.ndindex(edge.shape):
            around = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
            inside = [place for place in around if 0 <= place[0] < 40 and 0 <= place[1] < 50]
            border[row, column] = any(edge[place] != edge[row, column] for place in inside)
        near |= distance_transform_edt(~border) < 3
    near &= seen.inside
    counts = seen.count_pixels("", "")
    assert np.array_equal(counts.edges, histogram(seen.scores[near], seen.truth[near])[None])
    assert np.array_equal(counts.edges_before, histogram(seen.raw[near], seen.truth[near]))
    assert 0 < near.sum() < seen.inside.sum()


def test_an_image_without_foreground_is_counted_and_has_no_area_under_the_curve(seen):
    empty = ClassView(seen.scores, seen.raw, seen.truth & False, seen.masks, seen.inside)
    counts = empty.count_pixels("eye", "")
    assert np.isnan(counts.auc).all()
    assert counts.histograms[0, 1].sum() == 0
    assert counts.histograms.sum() == seen.inside.sum()
