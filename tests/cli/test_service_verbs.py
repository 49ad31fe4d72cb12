"""`cenet serve` and `cenet app` serve what was named, as it was limited, until they are stopped."""

import re
import webbrowser

import pytest
from stub_service import ask, encode_image

from cenet.service import monitoring, server

TOKEN = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def served(monkeypatch):
    """What would be served: the application, once it has started."""
    seen = {}

    def run(app, listener, *, on_start):
        on_start()
        seen.update(app=app, port=listener.getsockname()[1])

    monkeypatch.setattr(server, "run_server", run)
    monkeypatch.setattr(monitoring, "configure_log", lambda **options: seen.update(options))
    monkeypatch.delenv("CENET_TOKEN", raising=False)
    return seen


def test_a_run_is_served_within_the_limits_that_were_given(cenet, run, served, capsys):
    assert cenet("serve", run, "--port", 0, "--max-batch", 1, "--device", "cpu") == 0
    assert capsys.readouterr().out == f"serving trained at http://127.0.0.1:{served['port']}/docs\n"
    image = ("eye.png", encode_image())
    assert ask(served["app"], "POST", "/v1/predict", files={"image": image}).status_code == 200
    answer = ask(served["app"], "POST", "/v1/predict-batch", files=[("images", image), ("images", image)])
    assert answer.status_code == 422


def test_others_may_ask_only_with_a_token(cenet, run, served, tmp_path, capsys):
    assert cenet("serve", run, "--port", 0, "--host", "0.0.0.0") == 1
    assert capsys.readouterr().err.startswith("cenet: --host 0.0.0.0: ")
    (tmp_path / "token").write_text(TOKEN)
    assert cenet("serve", run, "--port", 0, "--host", "0.0.0.0", "--token-file", tmp_path / "token") == 0
    assert ask(served["app"], "GET", "/v1/models").status_code == 401
    known = {"Authorization": f"Bearer {TOKEN}", "Host": "another-name"}
    assert ask(served["app"], "GET", "/v1/models", headers=known).status_code == 200


@pytest.mark.parametrize("opens", [True, False])
def test_the_page_is_opened_in_the_browser_or_its_address_is_there_to_be_opened(
    cenet, run, served, tmp_path, monkeypatch, capsys, opens
):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or opens)
    monkeypatch.setattr("cenet.cli.service_verbs.Thread", Immediate)
    assert cenet("app", run, "--corrections", tmp_path / "mine", "--device", "cpu") == 0
    said = capsys.readouterr()
    (address,) = re.findall(r"^page: (http://127\.0\.0\.1:\d+/\?token=\S+)$", said.out, re.MULTILINE)
    assert opened == [address]
    assert ("no browser" in said.err) == (not opens)
    assert served["quiet"]
    assert ask(served["app"], "GET", address.partition(str(served["port"]))[2]).status_code == 200
    assert ask(served["app"], "GET", "/").status_code == 401


class Immediate:
    """A thread that does its work when it is started."""

    def __init__(self, *, target, args, daemon):
        self.work = lambda: target(*args)

    def start(self):
        self.work()


def test_the_page_of_all_installed_models_opens_no_browser_where_it_is_not_wanted(cenet, run, served, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda _: pytest.fail("a browser was opened"))
    monkeypatch.setattr("cenet.models.installed.list_installed_models", lambda: {str(run): None})
    assert cenet("app", "--no-browser") == 0
    assert served["app"]


def test_a_service_without_its_packages_is_one_sentence(cenet, run, monkeypatch, capsys):
    monkeypatch.setattr("cenet.cli.service_verbs.find_spec", lambda name: None if name == "uvicorn" else name)
    assert cenet("serve", run) == 1
    error = capsys.readouterr().err
    assert error == "cenet: cenet serve: needs uvicorn, which is not installed; pip install 'cenet[serve]'\n"


@pytest.mark.parametrize("models", [(), ("no-such-model",)])
def test_a_page_without_a_model_is_one_sentence(cenet, served, monkeypatch, models, capsys):
    monkeypatch.setattr("cenet.models.installed.list_installed_models", dict)
    assert cenet("app", *models) == 1
    assert capsys.readouterr().err.startswith(f"cenet: {models[0] if models else 'MODEL'}: ")
    assert not served
