"""What computes an exported model, and what is refused."""

from pathlib import Path

import pytest

from cenet.errors import CenetError
from cenet.inference import engines
from cenet.inference.engines import OpenVinoBfloat16Engine, OpenVinoEngine, choose_engine


def test_a_file_is_computed_by_the_engine_of_its_kind_or_the_one_that_is_named():
    assert choose_engine(Path("eyes.xml")) == "openvino"
    assert choose_engine(Path("eyes.onnx"), "openvino") == "openvino"
    with pytest.raises(CenetError) as caught:
        choose_engine(Path("eyes.xml"), "onnxruntime")
    assert caught.value.subject == "--engine onnxruntime"


def test_a_file_that_openvino_cannot_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "count_threads", lambda: 0)
    (tmp_path / "eyes.xml").write_text("<net/>")
    with pytest.raises(CenetError) as caught:
        OpenVinoEngine(tmp_path / "eyes.xml", "mask")
    assert caught.value.subject == str(tmp_path / "eyes.xml")


def test_bfloat16_needs_a_processor_that_has_it():
    class Core:
        def get_property(self, device, name):
            return ["FP32", "INT8"]

    engine = OpenVinoBfloat16Engine.__new__(OpenVinoBfloat16Engine)
    with pytest.raises(CenetError, match="lacks bfloat16"):
        engine.check_processor(Core())
