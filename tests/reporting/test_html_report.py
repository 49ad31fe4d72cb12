from html.parser import HTMLParser

import pytest
from drawn_reports import write_evaluation

from cenet.errors import CenetError
from cenet.phantoms import write_phantoms
from cenet.reporting.html_report import write_html_report

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """A page taken apart; every element that is opened must be closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(html)
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if not {"script", "style"} & set(self.open):
            self.words.append(text)

    def all(self, tag):
        return [attributes for each, attributes in self.elements if each == tag]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Evaluations whose run is not there: of one class, of four folds, of three classes."""
    folder = tmp_path_factory.mktemp("kept")
    write_phantoms(folder / "eyes", task="vessels", count=5, seed=3, size_px=64)
    write_evaluation(folder / "one", data=folder / "eyes")
    write_evaluation(folder / "four", data=folder / "eyes", folds=4)
    write_evaluation(folder / "three", data=folder / "eyes", classes=("disc", "cup", "rim"))
    return folder


@pytest.mark.parametrize("name", ["one", "four", "three"])
def test_a_page_is_whole_and_shows_the_kept_images(kept, tmp_path, name):
    path = write_html_report([kept / name], output=tmp_path / "page.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert "IoU" in page.text
    assert len([image for image in page.all("img") if image["src"].startswith("data:image/")]) >= 3


def test_another_format_is_refused(kept, tmp_path):
    with pytest.raises(CenetError, match="must end in"):
        write_html_report([kept / "one"], output=tmp_path / "page.pdf")
