"""The page of `cenet report` in a real browser."""

import pytest
from drawn_reports import write_evaluation, write_run

from cenet.phantoms import write_phantoms
from cenet.reporting.html_report import report


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_phantoms(folder / "eyes", task="vessels", count=5, seed=3, size_px=128)
    run = write_run(folder / "run", folder / "eyes")
    write_evaluation(run.path / "evaluation-test-region", data=folder / "eyes")
    write_evaluation(folder / "folds", data=folder / "eyes", folds=2)
    return report([run.path, folder / "folds"], output=folder / "page.html").as_uri()


@pytest.fixture
def page(tab, address):
    """The page, opened afresh; whatever a test did, it must not have troubled the browser."""
    tab.open(address)
    yield tab
    assert tab.troubles() == []


CASE = "document.querySelector('.case')"


def displayed(tab, layer):
    return tab.ask(f"getComputedStyle({CASE}.querySelector('.stack .{layer}')).display") != "none"


def scale(tab):
    """How much wider the picture is than its stage."""
    return tab.ask(f"{CASE}.querySelector('.stack').offsetWidth / {CASE}.querySelector('.stage').clientWidth")


def button(name):
    return f'{CASE}.querySelector("{name}")'


def test_the_page_opens_without_error_and_asks_for_nothing_else(page):
    assert page.ask("document.title") == "2 evaluations · cenet report"
    asked = [e["params"]["request"]["url"] for e in page.events if e.get("method") == "Network.requestWillBeSent"]
    assert [url for url in asked if url.startswith("file:")] == [page.ask("location.href")]
    assert page.ask("[...document.images].every(image => image.complete && image.naturalWidth === 128)")
    assert page.ask("document.querySelectorAll('svg').length") == 16


def test_the_watch_for_troubles_sees_them(tab, address):
    tab.open(address)
    tab.ask("console.error('an error'); setTimeout(() => { throw new Error('thrown') }); 0")
    tab.ask("fetch('https://example.invalid/').catch(() => 0)")
    tab.ask("new Promise(done => setTimeout(done, 50))")
    assert len(tab.troubles()) >= 3


@pytest.mark.parametrize("layer", ["image", "truth", "prediction", "comparison"])
def test_a_box_hides_and_shows_its_layer_and_no_other(page, layer):
    layers = ["image", "truth", "prediction", "comparison"]
    before = {name: displayed(page, name) for name in layers}
    assert before == {"image": True, "truth": False, "prediction": False, "comparison": True}
    page.click(button(f"[data-layer={layer}]"))
    assert {name: displayed(page, name) for name in layers} == {**before, layer: not before[layer]}
    page.click(button(f"[data-layer={layer}]"))
    assert {name: displayed(page, name) for name in layers} == before


def test_the_layers_lie_exactly_on_each_other(page):
    page.ask("document.querySelectorAll('.stack img').forEach(image => { image.hidden = false; })")
    script = "[...{}.querySelectorAll('.stack img')].map(i => JSON.stringify(i.getBoundingClientRect()))"
    assert len(set(page.ask(script.format(CASE)))) == 1


def test_the_buttons_zoom_in_and_out_and_fit(page):
    assert scale(page) == pytest.approx(1, abs=0.01)
    page.click(button("[data-zoom='2']"))
    page.click(button("[data-zoom='2']"))
    assert scale(page) == pytest.approx(4, abs=0.05)
    middle = f"(s => (s.scrollLeft + s.clientWidth / 2) / s.scrollWidth)({CASE}.querySelector('.stage'))"
    assert page.ask(middle) == pytest.approx(0.5, abs=0.02)
    page.click(button("[data-zoom='0.5']"))
    assert scale(page) == pytest.approx(2, abs=0.03)
    page.click(button("[data-zoom='0']"))
    assert scale(page) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("what", [".stage", ".open"])
def test_a_click_enlarges_a_case_and_close_brings_it_back(page, what):
    width = page.ask(f"{CASE}.offsetWidth")
    name = page.ask(f"{CASE}.querySelector('figcaption').textContent")
    page.click(button(what))
    assert page.ask("viewer.open && viewer.contains(document.querySelector('dialog .case'))")
    shown = "document.querySelector('dialog .case')"
    assert page.ask(f"{shown}.offsetWidth") > 2 * width
    assert page.ask(f"{shown}.querySelector('.stack').offsetHeight") <= page.ask("innerHeight")
    page.click(f"{shown}.querySelector('[data-layer=truth]')")
    assert page.ask(f"getComputedStyle({shown}.querySelector('.truth')).display") == "block"
    page.click(f"{shown}.querySelector('.close')")
    page.ask("new Promise(done => setTimeout(done, 50))")
    assert not page.ask("viewer.open")
    assert page.ask(f"{CASE}.querySelector('figcaption').textContent") == name
    assert page.ask("document.querySelectorAll('.cases:first-of-type .case').length") >= 3


def test_in_the_large_view_the_wheel_zooms_at_the_pointer_and_the_mouse_drags(page):
    page.click(button(".open"))
    x, y = page.ask(
        "(b => [b.x + b.width / 2 - 60, b.y + b.height / 2])(viewer.querySelector('.stage').getBoundingClientRect())"
    )
    before = page.ask("viewer.querySelector('.stack').offsetWidth")
    for _ in range(8):
        page.tell("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-100)
    assert page.ask("viewer.querySelector('.stack').offsetWidth") > 4 * before
    start = page.ask("viewer.querySelector('.stage').scrollLeft")
    page.tell("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", buttons=1, clickCount=1)
    page.tell("Input.dispatchMouseEvent", type="mouseMoved", x=x - 50, y=y, button="left", buttons=1)
    page.tell("Input.dispatchMouseEvent", type="mouseReleased", x=x - 50, y=y, button="left", clickCount=1)
    assert page.ask("viewer.querySelector('.stage').scrollLeft") == pytest.approx(start + 50, abs=3)
    page.tell("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape", windowsVirtualKeyCode=27)
    page.ask("new Promise(done => setTimeout(done, 50))")
    assert not page.ask("viewer.open")


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_fits_its_window(tab, address, width):
    tab.open(address, width=width)
    assert tab.ask("document.documentElement.scrollWidth") <= width
    assert tab.troubles() == []


def test_the_summary_fits_a_desktop(tab, address):
    tab.open(address, width=1200)
    assert tab.ask("(s => s.scrollWidth - s.clientWidth)(document.querySelector('.summary .scroll'))") <= 1


@pytest.mark.parametrize("width", [400, 1200])
def test_an_interval_is_never_broken_over_two_lines(tab, address, width):
    tab.open(address, width=width)
    lines = tab.ask("[...document.querySelectorAll('.interval')].map(e => e.getClientRects().length)")
    assert len(lines) > 50
    assert set(lines) == {1}
    inside = (
        "[...document.querySelectorAll('.tiles .interval')].every(e => e.scrollWidth <= e.parentElement.clientWidth)"
    )
    assert tab.ask(inside)


def test_on_a_phone_the_name_of_a_metric_stays_while_its_table_scrolls(tab, address):
    tab.open(address, width=400)
    script = """(() => {
      const table = document.querySelector('.scores'), name = table.querySelector('tbody th[scope=row]');
      const before = name.getBoundingClientRect().left;
      table.parentElement.scrollLeft = 150;
      return [table.parentElement.scrollLeft, name.getBoundingClientRect().left - before];
    })()"""
    scrolled, moved = tab.ask(script)
    assert scrolled > 0
    assert abs(moved) <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_from_their_ground(page, scheme):
    page.set_colour_scheme(scheme)
    script = """(() => {
      const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
      const words = [...document.querySelectorAll('body *:not(script):not(svg *)')].filter(e => [...e.childNodes]
        .some(n => n.nodeType === 3 && n.textContent.trim()));
      return Math.min(...words.map(e => { const a = light(getComputedStyle(e).color), b = light(ground(e));
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
    })()"""
    contrast = page.ask(script)
    page.set_colour_scheme("light")
    assert contrast >= 4.5


def test_every_box_button_and_image_has_a_name(page):
    script = """[...document.querySelectorAll('input, button, img, svg, nav, dialog, .scroll, .stage')].filter(e =>
      !(e.ariaLabel || e.alt || e.closest('label')?.textContent.trim() || e.textContent.trim())).length"""
    assert page.ask(script) == 0
