"""The built site in a headless browser; skipped where the site or the browser is missing."""

import functools
import http.server
import shutil
import threading

import pytest

from docs.generators.sources import ROOT

SITE = ROOT / "docs" / "_build" / "html"
CHROMIUM, DRIVER = map(shutil.which, ("chromium", "chromedriver"))

pytestmark = [
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="no site: run `make docs`"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver"),
]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    """The address of a local server of the site."""
    handler = functools.partial(QuietHandler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def console_errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_every_link_of_the_front_page_opens_without_an_error(browser, address):
    browser.get(f"{address}/index.html")
    links = {
        link.get_attribute("href").partition("#")[0]
        for link in browser.find_elements("css selector", "a[href]")
    }
    inner = sorted(link for link in links if link.startswith(address))
    assert len(inner) > 20
    for link in inner:
        browser.get(link)
        assert browser.find_element("css selector", "article h1").text, link
    assert not console_errors(browser)


def test_the_search_finds_pages_about_the_learning_rate(browser, address):
    browser.get(f"{address}/index.html")
    box = browser.find_element("css selector", "input.sidebar-search")
    box.send_keys("learning rate")
    box.submit()
    browser.implicitly_wait(10)
    results = browser.find_elements("css selector", "#search-results ul.search li a")
    assert any("finetuning" in result.get_attribute("href") for result in results)
    assert not console_errors(browser)


def test_equations_are_typeset_and_lead_to_their_lines(browser, address):
    browser.get(f"{address}/generated/paper/vae.html")
    browser.implicitly_wait(10)
    assert browser.find_elements("css selector", ".paper mjx-container")
    first = browser.find_element("css selector", ".paper a.step")
    first.click()
    target = first.get_attribute("href").rpartition("#")[2]
    assert "self.posterior(x" in browser.find_element("id", target).text
    assert not console_errors(browser)
