"""The page and its service: pictures in, angles and upright pictures out, nothing kept, no one else let in."""

import io
import logging
import os
import re
import select
import socket
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from chromium import states, texts, wait_for
from compass import compass_onnx, crooked, posts
from pictures import encoded, exif_with
from PIL import Image, PngImagePlugin
from serving import serving

import rotnet
from rotnet.cli.main import main
from rotnet.web import guard

anyio, httpx, _ = (pytest.importorskip(name) for name in ("anyio", "httpx", "starlette"))
from rotnet.web import Limits, create_app  # noqa: E402

LIMITS = Limits(bytes=200_000, pixels=20_000)


@pytest.fixture(scope="module")
def ask(model):
    """Send a request to the application, and return its answer."""
    app = create_app(model, limits=LIMITS)

    def ask(path, body=None, *, method=None, app=app, **headers):
        async def send():
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8360") as client:
                names = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(
                    method or ("GET" if body is None else "POST"), path, content=body, headers=names
                )

        return anyio.run(send)

    return ask


def shown(answer):
    return Image.open(io.BytesIO(answer.content))


# The service ----------------------------------------------------------------------------------------------------------


def test_predict_answers_as_the_library_does(ask, model):
    data = encoded(crooked(70.0))
    answer = ask("/predict", data)
    assert answer.status_code == 200
    found, expected = answer.json(), rotnet.predict_angle(data, model=model)
    assert found["angle"] == found["turn"] == pytest.approx(expected.angle, abs=0.05)
    assert found["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
    assert found["probabilities"] == pytest.approx(expected.probabilities.tolist(), abs=1e-6)
    assert (found["width"], found["height"]) == (64, 48)


def test_the_lines_that_told_the_level_are_told(ask, model):
    app = create_app(model)
    lines = np.array(ask("/predict", encoded(posts()), app=app).json()["lines"])
    leaning = np.degrees(np.arctan2(*(lines[:, 2:] - lines[:, :2]).T * np.array([[520], [400]])))
    assert len(lines) > 5 and np.abs(lines - 0.5).max() < 0.51
    assert np.median(leaning) == pytest.approx(5.7, abs=0.3)
    assert ask("/predict", encoded(crooked(5.0, 400, 520)), app=app).json()["lines"] is None


def test_almost_a_quarter_turn_is_one_and_upright_is_left(ask):
    assert ask("/predict", encoded(crooked(90.6))).json()["turn"] == 90.0
    assert ask("/predict", encoded(crooked(-0.7))).json()["turn"] == 0.0


def test_an_unsure_answer_turns_nothing(tmp_path, ask):
    card = {"min_confidence": 1.0}
    unsure = create_app(compass_onnx(tmp_path / "unsure.onnx", card=card), limits=LIMITS)
    data = encoded(crooked(70.0))
    found = ask("/predict", data, app=unsure).json()
    assert found["turn"] == 0.0 and found["angle"] == pytest.approx(70, abs=2)
    assert ask("/correct", data, app=unsure).content == data


def test_size_is_that_which_is_shown(ask):
    data = encoded(crooked(0.0), "JPEG", exif=exif_with(6))
    found = ask("/predict", data).json()
    assert (found["width"], found["height"]) == (48, 64)


def test_correct_turns_upright_in_the_same_format(ask, model):
    data = encoded(crooked(70.0), "JPEG", quality=95, exif=exif_with(make="Maker"))
    answer = ask("/correct", data)
    assert answer.headers["content-type"] == "image/jpeg"
    assert float(answer.headers["rotnet-angle"]) == pytest.approx(70, abs=2)
    assert shown(answer).getexif()[0x010F] == "Maker"
    assert rotnet.angle_difference(rotnet.predict_angle(answer.content, model=model).angle, 0) < 3


def test_correct_by_an_angle_of_ones_own(ask):
    data = encoded(crooked(0.0))
    assert ask("/correct?angle=0", data).content == data
    turned = ask("/correct?angle=90", data)
    assert turned.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(shown(turned), np.rot90(crooked(0.0), -1))
    crops = ("fit", "aspect", "same", "keep", "inscribed", "expand")
    sizes = {crop: shown(ask(f"/correct?angle=-30&crop={crop}", data)).size for crop in crops}
    assert sizes["fit"] < sizes["same"] == (64, 48) < sizes["keep"] and sizes["aspect"] == (41, 31)
    assert (sizes["inscribed"], sizes["expand"]) == (sizes["fit"], sizes["keep"])
    assert shown(ask("/correct?angle=90&crop=same", data)).size == (48, 64), "a quarter turn is whole"
    for fill, least, most in (
        ("0", 0, 0),
        ("77", 77, 77),
        ("white", 255, 255),
        ("9,9,9", 9, 9),
        ("mirror", 20, 250),
        ("blur", 20, 250),
    ):
        corner = shown(ask(f"/correct?angle=-30&crop=keep&fill={fill}", data)).getpixel((0, 0))
        assert least <= min(corner) <= max(corner) <= most
    assert shown(ask("/correct?angle=1", data)).size != (64, 48), "a small turn that is asked for is done"


def test_damaged_exif_and_further_pictures_are_no_obstacle(ask):
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n       9\nzz")
    damaged = encoded(crooked(30.0), "PNG", pnginfo=info)
    assert ask("/predict", damaged).status_code == 200
    phone = encoded(Image.fromarray(crooked(30.0)), "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    assert ask("/correct?angle=30", phone).headers["content-type"] == "image/jpeg"


def test_preview_is_a_small_jpeg_that_stands_as_exif_says(model, ask):
    roomy = create_app(model)
    data = encoded(np.zeros((100, 2000, 3), np.uint8), "TIFF", exif=exif_with(6))
    preview = shown(ask("/preview", data, app=roomy))
    assert (preview.format, preview.size) == ("JPEG", (80, 1600))
    assert shown(ask("/preview", encoded(crooked(0.0)))).size == (64, 48)


@pytest.mark.parametrize("path", ["/predict", "/correct", "/preview"])
@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"hello", 422, "this file is not a picture"),
        (b"", 422, "this file is empty"),
        (encoded(crooked(30.0), "JPEG")[:-200], 422, "this file cannot be"),
        (encoded(crooked(30.0), "PNG")[:-200], 422, "this file cannot be"),
        (encoded(np.zeros((100, 300, 3), np.uint8)), 422, "max_pixels=20,000"),
        (bytes(200_001), 413, "more than 0.2 MB"),
    ],
)
def test_bad_files_are_explained(ask, path, body, status, sentence):
    answer = ask(path, body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"] and sentence in answer.json()["error"]


def test_damaged_files_are_taken_on_request(model, ask):
    data = encoded(crooked(90.0, 96, 128), "JPEG", quality=95)
    start = data.rindex(b"\xff\xda") + 14
    data = data[: start + (len(data) - start) // 2] + b"\xff\xd9"
    lenient = create_app(model, limits=LIMITS, strict=False)
    for path in ("/predict", "/correct?angle=90", "/preview"):
        assert ask(path, data).status_code == 422
        assert ask(path, data, app=lenient).status_code == 200
    tilted = ask("/correct?angle=20", data, app=lenient)
    assert tilted.status_code == 422 and "quarter turns of its orientation tag only" in tilted.json()["error"]


@pytest.mark.parametrize(
    "query",
    ["angl=5", "angle=up", "angle=nan", "angle=1e9", "crop=tight", "fill=reddish", "fill=256", "fill=nan", "fill=1,2"],
)
def test_bad_parameters_are_explained(ask, query):
    answer = ask(f"/correct?{query}", encoded(crooked(0.0)))
    assert answer.status_code == 400 and "Received" in answer.json()["error"]


def test_a_form_is_told_what_to_send_instead(ask):
    answer = ask("/predict", b"--b\r\n", content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 400 and "--data-binary" in answer.json()["error"]


def test_a_body_without_an_announced_length_is_limited_too(ask):
    async def endless():
        for _ in range(1_000_000):
            yield bytes(1000)

    started = time.monotonic()
    assert ask("/predict", endless()).status_code == 413
    assert time.monotonic() - started < 10


def test_nothing_is_kept(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for path in ("/predict", "/correct", "/preview"):
        assert ask(path, encoded(crooked(70.0))).status_code == 200
    assert list(tmp_path.iterdir()) == []


# Who is let in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8360", "localhost:9", "LOCALHOST", "[::1]:8360"])
def test_own_names_are_answered(ask, host):
    assert ask("/predict", encoded(crooked(0.0)), host=host, origin=f"http://{host}").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8360"},
        {"host": "evil@127.0.0.1:bad"},
        {"host": ""},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:8361"},
        {"origin": "null"},
    ],
)
def test_others_are_refused(ask, headers):
    for path, body in (("/predict", encoded(crooked(0.0))), ("/", None)):
        answer = ask(path, body, **headers)
        assert answer.status_code == 403 and "error" in answer.json()


def test_any_host_may_be_let_in_but_no_other_origin(model, ask):
    opened = create_app(model, hosts=())
    assert ask("/", app=opened, host="photos.lan").status_code == 200
    assert ask("/", app=opened, host="photos.lan", origin="http://evil.example").status_code == 403


def test_answers_shut_others_out(ask):
    for answer in (ask("/"), ask("/predict", b"hello"), ask("/nowhere"), ask("/", host="evil.example")):
        assert {name.lower() for name in guard.HEADERS} <= set(answer.headers)
        assert "access-control-allow-origin" not in answer.headers


def test_methods_and_paths(ask):
    assert ask("/predict").status_code == 405
    assert ask("/", b"").status_code == 405
    assert ask("/../registry.json").status_code == 404


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_is_whole_and_asks_nobody_else(ask):
    paths = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript", "/icon.svg": "image/svg+xml"}
    modules = {
        f"/{name}.js": "text/javascript" for name in ("angles", "answers", "dial", "frame", "painting", "turned", "zip")
    }
    for path, kind in (paths | modules).items():
        answer = ask(path)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        links = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+", answer.text)) - {"http://www.w3.org"}
        assert not links
    assert set(re.findall(r'(?:src|href)="([^"]*)"', ask("/").text)) == {"page.css", "page.js", "icon.svg"}


@pytest.fixture
def served(model):
    """The address of `rotnet serve`."""
    with serving(model) as (address, _):
        yield address


def test_the_command_serves(served):
    with httpx.Client(trust_env=False) as client:
        assert "<title>rotnet</title>" in client.get(served).text
        assert client.post(f"{served}/predict", content=encoded(crooked(0.0))).json()["turn"] == 0.0
        address = served.rpartition(":")
        assert main(["serve", "--port", address[2]]) == 1, "the port is taken"


def peak(process):
    """Bytes of memory that a process has had at the most."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="tells no process's memory")
def test_bodies_wait_unread_and_may_be_given_up(model):
    with serving(model) as (address, process):
        host, port = address.removeprefix("http://").rsplit(":", 1)
        before = peak(process)
        senders = [socket.create_connection((host, int(port))) for _ in range(20)]
        for sender in senders:
            sender.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n")
            sender.setblocking(False)
        block, left = bytes(1 << 20), dict.fromkeys(senders, 29_000_000)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and any(left.values()):
            for sender in select.select([], [one for one in senders if left[one]], [], 0.1)[1]:
                left[sender] -= sender.send(block[: left[sender]])
        for sender in senders:
            sender.close()  # amid the body
        assert peak(process) - before < 150e6, "two bodies, not twenty"
        with httpx.Client(trust_env=False) as client:
            assert client.post(f"{address}/predict", content=encoded(crooked(0.0))).status_code == 200


def test_a_slow_body_is_given_up(model, ask):
    async def slow():
        yield b"half a picture"
        await anyio.sleep(30)

    app, started = create_app(model, limits=Limits(seconds=0.3)), time.monotonic()
    for _ in range(3):  # and gives its place away
        answer = ask("/predict", slow(), app=app)
        assert answer.status_code == 408 and "took longer than 0.3 seconds" in answer.json()["error"]
        assert answer.headers["connection"] == "close"
    assert time.monotonic() - started < 10
    assert ask("/predict", encoded(crooked(0.0)), app=app).status_code == 200


def test_a_length_told_in_two_ways_is_refused(ask):
    answer = ask("/predict", b"hello", content_length="5", transfer_encoding="chunked")
    assert answer.status_code == 400 and "must tell its length once" in answer.json()["error"]
    assert ask("/predict", b"hello", content_length="9" * 5000).status_code == 413


def test_any_address_of_this_computer_is_guarded(model):
    with serving(model, "--host", "127.0.0.2") as (address, _), httpx.Client(trust_env=False) as client:
        assert client.get(address).status_code == 200
        assert client.get(address, headers={"Host": "evil.example"}).status_code == 403


def test_names_of_a_server():
    assert guard.names_of("::1", "::1")[-1] == "::1" and "rotnet.test" in guard.names_of("rotnet.test", "127.0.1.1")
    assert guard.names_of("0.0.0.0", "0.0.0.0") == guard.names_of("::", "::") == ()
    assert guard.names_of("photos.lan", "192.168.0.2") == ()


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_missing_packages_are_named(monkeypatch, capsys, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["serve"]) == 1
    assert f"the page needs {package}, which is not installed: pip install 'rotnet[web]'" in capsys.readouterr().err


def test_in_a_browser(served, browser, tmp_path, model):
    def drawn():
        """Brightness of the middle of the upper and the lower edge of the picture after."""
        return browser.execute_script(
            "const c = document.getElementById('after'), p = c.getContext('2d');"
            "return [0.1, 0.9].map((y) => p.getImageData(c.width / 2, y * c.height, 1, 1).data[0]);"
        )

    (tmp_path / "other").mkdir()
    for name, angle in {"tilted.png": 30.0, "upright.png": 0.0, "other/tilted.png": 180.0}.items():
        (tmp_path / name).write_bytes(encoded(crooked(angle, 96, 128)))
    (tmp_path / "bad.jpg").write_text("no picture")
    browser.get(served)
    names = ("tilted.png", "upright.png", "bad.jpg", "other/tilted.png")
    browser.find_element("id", "files").send_keys("\n".join(str(tmp_path / name) for name in names))
    found = states(browser, 4)
    assert found[1:] == ["upright", "not read", "turned by 180.0°"]
    assert re.fullmatch(r"turned by (29\.9|30\.0|30\.1)°", found[0])

    # the first is shown, upright
    assert texts(browser, "#verdict")[0].startswith("Turned by ") and texts(browser, "#percent")[0].endswith(" %")
    above, below = drawn()
    assert above > below + 60
    petals = browser.find_element("css selector", "#dial .petals").get_attribute("d")
    assert petals.count("L") == 359

    # the slider between before and after
    browser.execute_script(
        "const s = document.getElementById('compare'); s.value = 20; s.dispatchEvent(new Event('input'))"
    )
    assert browser.find_element("id", "divider").rect["x"] < browser.find_element("id", "stage").rect["x"] + 300

    # nothing told the level of a picture without lines
    assert not browser.find_element("id", "lines").is_displayed()

    # a file that is no picture
    tiles = browser.find_elements("css selector", "#strip button")
    tiles[2].click()
    assert "not a picture" in texts(browser, "#problem")[0]
    assert not browser.find_element("id", "download").is_enabled()

    # adjust by hand, crop, download
    tiles[1].click()
    angle = browser.find_element("id", "angle")
    angle.click()
    angle.send_keys("180")
    above, below = drawn()
    assert below > above + 60
    browser.find_element("id", "untouched").click()
    browser.find_element("css selector", "[data-turn='-90']").click()
    assert texts(browser, ".state")[1] == "turned by -90.0°"
    browser.find_element("css selector", "input[value=keep]").find_element("xpath", "..").click()
    browser.find_element("id", "download").click()
    saved = tmp_path / "downloads" / "upright-upright.png"
    wait_for(saved.is_file)
    with Image.open(saved) as picture:
        assert picture.size == (96, 128)

    browser.find_element("css selector", "input[value=fit]").find_element("xpath", "..").click()
    browser.find_element("id", "download-all").click()
    archive = tmp_path / "downloads" / "upright.zip"
    wait_for(archive.is_file)
    with zipfile.ZipFile(archive) as files:
        assert files.testzip() is None
        assert files.namelist() == ["tilted.png", "upright.png", "tilted (2).png"]
        for name in ("tilted.png", "tilted (2).png"):
            found = rotnet.predict_angle(files.read(name), model=model)
            assert rotnet.angle_difference(found.angle, 0.0) < 3
    assert texts(browser, "#message")[0].startswith(
        "3 of 4 pictures are in the zip. Left out:\nbad.jpg: this file is not"
    )

    # the thumbnails are upright; filter, remove, clear
    labels = [canvas.get_attribute("aria-label") for canvas in browser.find_elements("css selector", "#strip canvas")]
    assert labels == [f"{name} as it will be" for name in ("tilted.png", "upright.png", "tilted.png")]
    assert texts(browser, "#filter label") == ["all 4", "turned 3", "not read 1"]
    browser.find_element("css selector", "input[value='not read']").find_element("xpath", "..").click()
    assert [tile.is_displayed() for tile in tiles] == [False, False, True, False]
    tiles[2].click()
    browser.find_element("id", "remove").click()
    assert texts(browser, "#filter label") == ["all 3", "turned 3"] and texts(browser, "#name")[0].startswith("tilted")
    browser.find_element("id", "untouched").click()
    assert texts(browser, "#filter label") == ["all 3", "turned 2", "left as it is 1"]
    browser.find_element("id", "clear").click()
    assert not browser.find_element("id", "stage").is_displayed() and not texts(browser, "#strip li")
    failures = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert len(failures) == 1 and "/preview" in failures[0], "of the file that is no picture"


def test_what_told_the_level_is_drawn_on_request(served, browser, tmp_path):
    (tmp_path / "posts.png").write_bytes(encoded(posts()))
    browser.get(served)
    browser.find_element("id", "files").send_keys(str(tmp_path / "posts.png"))
    states(browser, 1)

    def coloured():
        """How many pixels of both pictures are of the colour of the lines, for the picture is gray."""
        return browser.execute_script(
            "return ['before', 'after'].map((id) => { const c = document.getElementById(id);"
            "const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "let n = 0; for (let i = 0; i < p.length; i += 4) n += p[i] - p[i + 2] > 60; return n; });"
        )

    assert coloured() == [0, 0]
    browser.find_element("id", "lines").click()
    assert min(coloured()) > 500
    browser.save_screenshot(str(tmp_path / "lines.png"))
    browser.find_element("id", "lines").click()
    assert coloured() == [0, 0]


def test_streams_of_others_are_not_closed(model, monkeypatch):
    """Handlers of some libraries close their stream when logging is configured anew."""
    closed = []
    handler = logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(handler, "close", lambda: closed.append(True))
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    assert main(["serve", "--model", str(model), "--port", "0"]) == 0 and not closed


@pytest.mark.parametrize("has_browser", [True, False])
def test_the_page_is_opened_on_request(model, monkeypatch, capsys, has_browser):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or has_browser)
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    assert main(["serve", "--model", str(model), "--port", "0"]) == 0 and not opened
    assert main(["serve", "--model", str(model), "--port", "0", "--open"]) == 0
    out, err = capsys.readouterr()
    assert len(opened) == 1 and f"rotnet is at {opened[0]} (" in out
    assert err == ("" if has_browser else f"rotnet: there is no browser to open {opened[0]} in\n")
