"""A browser without a window and without a network, for the tests of the pages."""

import functools
import shutil
import threading
import time
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--window-size=1400,900",
    # only this machine has a name
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@contextmanager
def chromium(folder):
    """A browser, whose downloads go to `folder / "downloads"`; the test is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    found, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not found or not driver:
        pytest.skip("there is no chromium: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for argument in (*OPTIONS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    (folder / "downloads").mkdir()
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        browser.set_script_timeout(120)
        yield browser


@contextmanager
def serving_files(folder):
    """Address of a plain server of the files of a folder, and the requests it has seen, as `"GET /path"`."""
    seen = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            seen.append(f"{self.command} {self.path}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(condition, seconds=60):
    """What a condition gives, once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def texts(browser, selector):
    """Texts of the elements, in order."""
    return [element.text for element in browser.find_elements("css selector", selector)]


def states(browser, count):
    """What the strip says of each picture, once there are `count` of them and all were looked at."""
    return wait_for(
        lambda: "looking" not in (found := texts(browser, "#strip .state")) and len(found) == count and found
    )


def asked(browser, files, script):
    """What a script, the body of an asynchronous function of `files`, gives for files of this machine."""
    browser.execute_script(
        "document.getElementById('probe')?.remove(); const probe = document.createElement('input');"
        "probe.id = 'probe'; probe.type = 'file'; probe.multiple = true; document.body.append(probe);"
    )
    browser.find_element("id", "probe").send_keys("\n".join(map(str, files)))
    answer = browser.execute_async_script(
        "const done = arguments[arguments.length - 1], files = [...document.getElementById('probe').files];"
        f"(async () => {{ {script} }})()"
        ".then((answer) => done({ answer }), (error) => done({ error: String(error) }));"
    )
    browser.execute_script("document.getElementById('probe').remove()")
    assert "error" not in answer, answer["error"]
    return answer["answer"]
