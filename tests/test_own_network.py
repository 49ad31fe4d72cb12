"""A network of the user's own: trained, resumed, scored and used like ours; its code is the user's to give."""

import inspect
from functools import partial

import numpy as np
import pytest
from torch import nn

import cenet
from cenet.errors import CenetError
from cenet.inference.run import Run
from cenet.networks import NETWORKS, CENet, UNet


class MyNet(nn.Module):
    stride, min_size = 1, 8

    def __init__(self, num_classes, in_channels, normalise):
        super().__init__()
        self.layers = nn.Sequential(
            normalise, nn.Conv2d(in_channels, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, num_classes, 1)
        )

    def forward(self, image):
        return self.layers(image)


PLUGIN = f"""
import cenet
from torch import nn

{inspect.getsource(MyNet)}

cenet.NETWORKS["MyNet"] = MyNet
"""


@pytest.fixture(scope="module")
def own_run(images, tmp_path_factory):
    """A run of a network that the package does not know. Not to be changed."""
    recipe = cenet.load_recipe("folder").replace(
        crop_px=32, epochs=1, steps_per_epoch=2, batch_size=2, test_fraction=0.34
    )
    output = tmp_path_factory.mktemp("own") / "run"
    cpu = cenet.resolve_device(device="cpu", precision="32-true", workers=0)
    cenet.train(recipe, images, output=output, device=cpu, network=MyNet)
    return output


def test_a_run_holds_the_name_of_the_network_and_no_code(own_run):
    assert Run(own_run).recipe.network == "MyNet"
    assert Run(own_run).recipe.encoder_weights == "none"
    assert "MyNet" in (own_run / "MODEL_CARD.md").read_text()


def test_a_run_predicts_with_the_class_that_is_given(own_run, images):
    image = images / "images" / "eye-0.png"
    prediction = cenet.load(own_run, network=MyNet)(image)
    assert prediction.mask.shape == (48, 64)
    again = cenet.predict(own_run, image, network=MyNet)
    assert np.array_equal(again.probabilities, prediction.probabilities)


def test_a_run_is_scored_with_the_class_that_is_given(own_run, tmp_path):
    report = cenet.evaluate(own_run, output=tmp_path, network=MyNet)
    assert report.runs[0].network == "MyNet"


def test_a_run_is_resumed_with_the_class_that_is_given(own_run):
    assert cenet.resume(own_run, device="cpu", network=MyNet).facts == Run(own_run).facts


def test_another_run_starts_from_its_weights(own_run, images, machine, unfitted, tmp_path):
    recipe = Run(own_run).recipe.replace(seed=3)
    splits = own_run / "splits.json"
    cenet.train(
        recipe, images, output=tmp_path / "run", device=machine, network=MyNet, init_from=own_run, splits=splits
    )
    trained = Run(own_run, network=MyNet).network().state_dict()
    assert all((value == trained[name]).all() for name, value in unfitted["network"].state_dict().items())


@pytest.mark.parametrize("use", [cenet.load, cenet.evaluate])
def test_without_its_code_a_run_is_refused_in_one_sentence(own_run, use):
    with pytest.raises(CenetError) as error:
        use(own_run)
    assert error.value.subject in (str(own_run), "network MyNet")
    assert "--plugin" in error.value.remedy
    assert "network=" in error.value.remedy


def test_another_class_than_that_of_the_run_is_refused(own_run):
    class Other(MyNet):
        def __init__(self, num_classes, in_channels, normalise):
            super().__init__(num_classes, in_channels, normalise)
            self.more = nn.Conv2d(1, 1, 1)

    with pytest.raises(CenetError, match="does not fit"):
        cenet.load(own_run, network=Other)


def test_the_command_line_takes_a_plugin(own_run, images, cenet, capsys, tmp_path):
    image = images / "images" / "eye-0.png"
    assert cenet("predict", own_run, image, "--output", tmp_path / "without") == 1
    assert "--plugin" in capsys.readouterr().err
    (tmp_path / "my_network.py").write_text(PLUGIN)
    try:
        plugin = ("--plugin", tmp_path / "my_network.py")
        assert cenet("predict", own_run, image, "--output", tmp_path / "with", *plugin) == 0
    finally:
        NETWORKS.pop("MyNet", None)
    assert (tmp_path / "with" / "eye-0_mask.png").exists()


@pytest.mark.parametrize("network", ["unet", UNet, UNet(), partial(UNet, 1)])
def test_another_network_than_that_of_the_run_is_refused(network):
    with pytest.raises(CenetError) as error:
        cenet.load("vessels-open", network=network)
    assert "network" in str(error.value)


def test_the_name_of_a_network_is_no_network(images, tmp_path):
    recipe, cpu = cenet.load_recipe("folder"), cenet.resolve_device(device="cpu", precision="32-true", workers=0)
    with pytest.raises(CenetError, match="no class of a network"):
        cenet.train(recipe, images, output=tmp_path / "run", device=cpu, network="unet")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{"tta": True}, {"device": "cpu"}, {"network": MyNet}])
def test_options_of_what_is_loaded_already_are_refused(own_run, options):
    loaded = cenet.load(own_run, network=MyNet)
    with pytest.raises(CenetError, match="give them to"):
        cenet.predict(loaded, np.zeros((64, 64, 3), np.uint8), **options)


@pytest.mark.parametrize("options", [{"encoder": "resnet50"}, {"encoder": ["resnet18"]}, {"dac": "dense"}])
def test_parts_that_there_are_not_are_answered_with_those_that_are(options):
    with pytest.raises(CenetError, match=r"use (resnet18|atrous)"):
        CENet(**options)
