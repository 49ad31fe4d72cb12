"""Images handed to a Ray cluster, whose workers are in this process; `make ray` tests a real one."""

import shutil
import socket
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import tifffile

from cenet.errors import CenetError
from cenet.inference import ray_predict
from cenet.inference.predict import FailedImagesError, write_predictions
from cenet.inference.ray_predict import RayOptions, check_ray_installed, write_predictions_with_ray
from cenet.inference.trust import MeasurementOptions

TWO_WORKERS = RayOptions(workers=2)


class Cluster:
    """What of Ray is used, with workers that take turns in this process. Keeps what it was asked for."""

    def __init__(self, resources):
        self.resources, self.asked, self.is_up, self.lost_after = resources, {}, False, None

    def init(self, address, **options):
        self.is_up = True
        self.asked.update(address=address, **options)

    def shutdown(self):
        self.is_up = False

    def from_items(self, rows, *, override_num_blocks):
        self.asked["blocks"] = override_num_blocks
        return SimpleNamespace(map=lambda *arguments, **options: self.map(rows, *arguments, **options))

    def map(self, rows, worker, *, fn_constructor_args, compute, num_cpus, num_gpus):
        self.asked.update(workers=compute, num_cpus=num_cpus, num_gpus=num_gpus, rows=len(rows))
        return SimpleNamespace(iter_rows=lambda: self.iterate(rows, worker, fn_constructor_args))

    def iterate(self, rows, worker, arguments):
        workers = [worker(*arguments) for _ in range(self.asked["workers"])]
        for index, row in enumerate(rows):
            if index == self.lost_after:
                raise LostError
            yield workers[index % len(workers)](row)


class LostError(Exception):
    """As Ray raises where all nodes went away."""


@pytest.fixture
def cluster(monkeypatch):
    made, context = Cluster({"CPU": 4.0}), SimpleNamespace(enable_progress_bars=True)
    data, ray = ModuleType("ray.data"), ModuleType("ray")
    data.DataContext = SimpleNamespace(get_current=lambda: context)
    data.from_items, data.ActorPoolStrategy = made.from_items, lambda size: size
    ray.__spec__, ray.data, ray.exceptions = ModuleSpec("ray", None), data, SimpleNamespace(RayError=LostError)
    ray.init, ray.shutdown, ray.cluster_resources = made.init, made.shutdown, lambda: made.resources
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    return made


@pytest.fixture
def predict(run, tmp_path):
    """Predicts with two workers into the folder `rayed`."""

    def predict_images(*images, ray=TWO_WORKERS, **options):
        options = {"device": "cpu", **options}
        return write_predictions_with_ray(run, images, output=tmp_path / "rayed", ray=ray, **options)

    return predict_images


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_cluster_writes_and_says_what_one_process_does(cluster, predict, run, images, tmp_path):
    options = {"measure": MeasurementOptions(), "uncertainty": True}
    expected = write_predictions(run, images / "images", output=tmp_path / "one", device="cpu", **options)
    assert predict(images / "images", **options) == expected
    assert read_files(tmp_path / "rayed") == read_files(tmp_path / "one")
    assert (cluster.asked["address"], cluster.asked["workers"]) == ("local", 2)
    assert not cluster.is_up
    cluster.asked.clear()
    assert "6 of 6 images were predicted before and are skipped" in predict(images / "images", **options)
    assert not cluster.asked


def test_images_that_fail_are_listed_and_the_others_written(cluster, predict, images, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(FailedImagesError) as caught:
        predict(tmp_path / "broken.png", images / "images")
    assert [failure.subject for failure in caught.value.failures] == [str(tmp_path / "broken.png")]
    assert len(list((tmp_path / "rayed").glob("*_mask.png"))) == 6


def test_large_images_are_predicted_beside_the_cluster_under_the_same_names(
    cluster, predict, run, images, tmp_path, monkeypatch
):
    noise = np.random.default_rng(0).integers(0, 256, (96, 120, 3), np.uint8)
    folder = tmp_path / "mixed"
    shutil.copytree(images / "images", folder)
    tifffile.imwrite(folder / "eye-0.tif", noise, photometric="rgb")
    tifffile.imwrite(folder / "cut.tif", noise, photometric="rgb")
    (folder / "cut.tif").write_bytes((folder / "cut.tif").read_bytes()[:-9000])
    (folder / "broken.png").write_bytes(b"")
    monkeypatch.setenv("CENET_MAX_PIXELS", "5000")
    with pytest.raises(FailedImagesError) as one:
        write_predictions(run, folder, output=tmp_path / "one", device="cpu")
    with pytest.raises(FailedImagesError) as caught:
        predict(folder)
    assert sorted(map(str, caught.value.failures)) == sorted(map(str, one.value.failures))
    assert len(caught.value.failures) == 2
    assert caught.value.remarks == one.value.remarks
    assert read_files(tmp_path / "rayed") == read_files(tmp_path / "one")
    assert "eye-0.tif_mask.tif" in read_files(tmp_path / "rayed")


@pytest.mark.parametrize(
    ("resources", "options", "device", "workers", "gpus"),
    [
        ({"CPU": 4.0}, RayOptions(), "cpu", 4, 0),
        ({"CPU": 4.0}, RayOptions(threads=2), "cpu", 2, 0),
        ({"CPU": 64.0}, RayOptions(), "cpu", 6, 0),
        ({"CPU": 1.0}, RayOptions(threads=2), "cpu", 1, 0),
        ({"CPU": 4.0, "GPU": 2.0}, RayOptions(), "auto", 2, 1),
        ({"CPU": 4.0, "GPU": 2.0}, RayOptions(), "cpu", 4, 0),
    ],
    ids=str,
)
def test_there_is_a_worker_for_each_processor_or_gpu_but_none_without_an_image(
    cluster, predict, images, resources, options, device, workers, gpus
):
    cluster.resources = resources
    predict(images / "images", ray=options, device=device)
    assert (cluster.asked["workers"], cluster.asked["num_gpus"]) == (workers, gpus)
    assert cluster.asked["num_cpus"] == options.threads


@pytest.mark.parametrize(("images_of_a_block", "blocks_of_a_worker", "blocks"), [(1, 32, 6), (1, 2, 4), (4, 32, 2)])
def test_a_worker_gets_blocks_of_images_but_not_many(
    cluster, predict, images, monkeypatch, images_of_a_block, blocks_of_a_worker, blocks
):
    monkeypatch.setattr(ray_predict, "IMAGES_OF_A_BLOCK", images_of_a_block)
    monkeypatch.setattr(ray_predict, "BLOCKS_OF_A_WORKER", blocks_of_a_worker)
    predict(images / "images")
    assert cluster.asked["blocks"] == blocks


def test_a_cluster_that_is_lost_is_one_sentence_and_its_images_stay(cluster, predict, images, tmp_path):
    cluster.lost_after = 4
    with pytest.raises(CenetError) as caught:
        predict(images / "images")
    assert caught.value.subject == "--ray local"
    assert not cluster.is_up
    cluster.lost_after = None
    assert "4 of 6 images were predicted before and are skipped" in predict(images / "images")
    assert cluster.asked["rows"] == 2


def test_a_cluster_at_an_address_is_joined_as_it_is(cluster, predict, images):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        predict(images / "images", ray=RayOptions(address))
    assert cluster.asked["address"] == address
    assert "object_store_memory" not in cluster.asked


def test_ray_that_is_not_installed_is_one_sentence(cenet, run, images, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CenetError, match="Ray is not installed"):
        check_ray_installed()
    assert cenet("predict", run, images / "images", "--output", tmp_path / "out", "--ray", "local") == 1
    assert capsys.readouterr().err == "cenet: --ray: Ray is not installed; pip install 'cenet[ray]'\n"


@pytest.mark.parametrize("address", ["local", "auto", "127.0.0.1:9"])
def test_ray_that_does_not_start_is_one_sentence(run, images, tmp_path, monkeypatch, address):
    ray, data = ModuleType("ray"), ModuleType("ray.data")
    ray.__spec__, ray.data, ray.init, ray.shutdown = ModuleSpec("ray", None), data, refuse, lambda: None
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    with pytest.raises(CenetError) as caught:
        write_predictions_with_ray(run, [images / "images"], output=tmp_path / "out", ray=RayOptions(address))
    assert caught.value.subject == f"--ray {address}"
    assert not (tmp_path / "out").exists()


def refuse(*_, **__):
    raise Exception("the node timed out")  # as Ray does


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        (("--ray", "local", "--shard", "1/2"), "--ray local"),
        (("--ray", "local", "--format", "tiff"), "--ray local"),
        (("--ray", "local", "--ray-workers", 0), "--ray-workers 0"),
        (("--ray-workers", 2), "--ray-workers"),
    ],
    ids=str,
)
def test_what_does_not_go_with_ray_is_refused(cenet, run, images, tmp_path, options, subject, capsys):
    assert cenet("predict", run, images / "images", "--output", tmp_path / "out", *options) == 1
    assert capsys.readouterr().err.startswith(f"cenet: {subject}: ")


@pytest.mark.parametrize(("name", "exists"), [("masks.v1", True), ("masks.v1", False), ("masks.tif", True)])
def test_a_folder_may_have_a_dot_in_its_name(cenet, cluster, run, images, tmp_path, name, exists):
    if exists:
        (tmp_path / name).mkdir()
    options = ("--ray", "local", "--device", "cpu")
    assert cenet("predict", run, images / "images", "--output", tmp_path / name, *options) == 0
    assert len(list((tmp_path / name).glob("*_mask.png"))) == 6


@pytest.mark.parametrize("name", ["eye.png", "eye.nii.gz"])
def test_the_name_of_one_file_does_not_go_with_ray(cenet, run, images, tmp_path, name, capsys):
    options = ("--output", tmp_path / name, "--ray", "local")
    assert cenet("predict", run, images / "images" / "eye-0.png", *options) == 1
    assert capsys.readouterr().err.startswith("cenet: --ray local: ")


def test_the_command_line_asks_for_the_workers_that_were_named(cenet, cluster, run, images, tmp_path):
    options = ("--ray", "local", "--ray-workers", 3, "--threads", 2, "--device", "cpu")
    assert cenet("predict", run, images / "images", "--output", tmp_path / "out", *options) == 0
    assert (cluster.asked["workers"], cluster.asked["num_cpus"]) == (3, 2)
    assert len(list((tmp_path / "out").glob("*_mask.png"))) == 6


def test_a_table_of_somebody_elses_is_replaced_where_that_is_asked_for(cluster, predict, images, tmp_path):
    (tmp_path / "rayed").mkdir()
    (tmp_path / "rayed" / "measurements.csv").write_text("mine")
    predict(images / "images", measure=MeasurementOptions(), overwrite=True)
    assert (tmp_path / "rayed" / "measurements.csv").read_text().startswith("image,")
