"""The page without a server answers as Python does, turns, works without a network, and tells nobody anything."""

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from chromium import asked, chromium, serving_files, states, texts, wait_for
from PIL import Image

import rotnet
from rotnet.geometry.angles import decode_angles, encode_angles
from rotnet.inference.options import Options
from rotnet.inference.prediction import AnglePrediction
from rotnet.inference.predictor import Predictor
from rotnet.inference.views import strip_view, turned_views

ROOT = Path(__file__).parents[2]
PHOTOS = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
LOOK = "const { look } = await import('./answers.js'); const answers = []; for (const file of files) "


@pytest.fixture(scope="module")
def opened(static_page, tmp_path_factory):
    """A browser that shows the page."""
    with chromium(tmp_path_factory.mktemp("browser")) as browser, serving_files(static_page) as (address, _):
        browser.get(address)
        yield browser


@pytest.fixture(scope="module")
def predictor():
    return Predictor("photo_int8")


def photo(name, angle=0.0):
    """A sample photograph, which is turned already, turned further by an angle."""
    crooked = np.asarray(Image.open(ROOT / "examples" / "photos" / name).convert("RGB"))
    return Image.fromarray(rotnet.rotate(crooked, angle, crop="inscribed", interpolation="cubic"))


def test_answers_are_those_of_python(opened, predictor, tmp_path):
    pictures = [*PHOTOS]
    for angle in (33.3, 181):
        for name in ("pavilion.jpg", "rocket.jpg"):
            pictures.append(tmp_path / f"{angle}-{name}")
            photo(name, angle).save(pictures[-1], quality=92)
    more = {
        "large.jpg": photo("rocket.jpg", 20).resize((4000, 3000), Image.Resampling.BICUBIC),
        "long.jpg": photo("pavilion.jpg", 0).resize((200, 1400)),
        "tiny.png": photo("astronaut.jpg", 0).resize((120, 90)),
        "clear.png": photo("coffee.jpg", 90).convert("RGBA"),
        "gray.png": photo("hopper.jpg", 0).convert("L"),
    }
    more["clear.png"].putalpha(Image.linear_gradient("L").resize(more["clear.png"].size))
    for name, picture in more.items():
        picture.save(tmp_path / name)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo("rocket.jpg", 0).save(tmp_path / "exif.jpg", exif=exif, quality=90)
    pictures += [tmp_path / name for name in (*more, "exif.jpg")]
    answers = asked(opened, pictures, LOOK + "answers.push((await look(file)).prediction); return answers;")
    options = Options(refine=None)
    for path, answer in zip(pictures, answers, strict=True):
        expected = predictor.predict(path, refine=None)
        decision = predictor.decide(expected, options)
        assert rotnet.angle_difference(answer["angle"], expected.angle) < 0.5, path.name
        assert answer["confidence"] == pytest.approx(decision.confidence, abs=0.05), path.name
        assert answer["action"] == decision.action, path.name
        assert rotnet.angle_difference(answer["turn"], decision.turn) < 0.5, path.name
        assert np.abs(np.subtract(answer["probabilities"], expected.probabilities)).sum() < 0.1, path.name
        with Image.open(path) as picture:
            size = picture.size[::-1] if path.name == "exif.jpg" else picture.size
        assert (answer["width"], answer["height"]) == size


@pytest.mark.parametrize("size", [(300, 300), (256, 256), (257, 999), (1011, 640), (120, 90), (200, 700), (3000, 2999)])
def test_views_are_those_of_python(opened, tmp_path, size):
    generator = np.random.default_rng(size)
    small = generator.integers(0, 256, (size[1] // 8 + 2, size[0] // 8 + 2, 3), np.uint8)
    picture = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    picture.save(tmp_path / "picture.png", compress_level=1)
    found = asked(
        opened,
        [tmp_path / "picture.png"],
        "const { readStrip, turnedViews } = await import('./views.js');"
        "const strip = readStrip(await createImageBitmap(files[0]), 256, 2);"
        "return [strip.width, strip.height, [...turnedViews(strip, 256)]];",
    )
    strip = strip_view(np.asarray(picture), (256, 256))
    assert found[:2] == [strip.shape[1], strip.shape[0]]
    difference = np.abs(np.ravel(turned_views(strip, (256, 256), 4)) - np.asarray(found[2], np.float64))
    assert difference.max() <= 1 and difference.mean() < 0.001


def said(reason):
    """The words of a reason, and its numbers."""
    number = r"-?\d+\.\d"
    return re.sub(number, "#", reason), [float(found) for found in re.findall(number, reason)]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_decisions_are_those_of_python(builder, predictor, tmp_path):
    """Of made-up probabilities around every threshold, in the words of Python."""
    generator = np.random.default_rng(1)
    rows = []
    for _ in range(1000):
        peaks = generator.choice([0, 1, 3, 10, 19, 21, 45, 88, 92, 180, 268], 2) + generator.normal(0, 2, 2)
        shares = generator.dirichlet([1.0, 0.5, 0.3])
        sigmas = generator.uniform(1, 8, 2)
        row = shares[2] * (generator.random(360) ** generator.integers(1, 9)) / 180
        for share, peak, sigma in zip(shares[:2], peaks, sigmas, strict=True):
            row += share * encode_angles(peak, sigma=sigma)
        rows.append(row)
    rows = np.array(rows, np.float32)
    rows /= rows.sum(axis=1, keepdims=True)
    settings = builder.settings(predictor, "model.onnx")
    (tmp_path / "given.json").write_text(json.dumps({"model": settings, "rows": rows.tolist()}))
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("prediction.js", "decision.js"):
        shutil.copy(ROOT / "page" / name, tmp_path)
    script = """
        import { readFileSync } from "node:fs";
        import { confidence, decode } from "./prediction.js";
        import { decide } from "./decision.js";
        const { model, rows } = JSON.parse(readFileSync("given.json"));
        console.log(JSON.stringify(rows.map((probabilities, index) => {
          const turns = [1, 2, 4][index % 3];
          const angle = decode(probabilities, model), sure = confidence(probabilities, angle, turns, model);
          return { angle, ...decide({ angle, confidence: sure, probabilities, turns }, model) };
        })));
    """
    (tmp_path / "run.js").write_text(script)
    run = subprocess.run(["node", "run.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    seen = set()
    for row, turns, found in zip(rows, itertools.cycle((1, 2, 4)), json.loads(run.stdout), strict=False):
        angle = float(decode_angles(row))
        expected = predictor.decide(AnglePrediction(angle, predictor.card.confidence(row, angle, turns), row, turns))
        assert rotnet.angle_difference(found["angle"], angle) < 1e-3
        assert found["action"] == expected.action
        words, numbers = said(found["reason"])
        assert words == said(expected.reason)[0]
        # what lies between two tenths may be rounded either way
        assert numbers == pytest.approx(said(expected.reason)[1], abs=0.11)
        assert found["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
        assert rotnet.angle_difference(found["turn"], expected.turn) < 1e-3
        seen.add(words)
    assert len(seen) == 7, seen


def test_the_settings_are_those_of_the_model(builder, predictor):
    settings = builder.settings(predictor, "photo_int8.onnx")
    assert settings["size"] == 256 and settings["minConfidence"] == predictor.card.min_confidence == 0.8
    known = predictor.card.calibration
    assert settings["calibration"] == {1: tuple(known["1"]), 2: tuple(known["4"]), 4: tuple(known["4"])}
    assert settings["looks"] == [1, 1, 2] and settings["sureFrom"] == 0.9


def test_turned_by_the_browser(opened, tmp_path):
    picture = photo("hopper.jpg", 0).crop((0, 0, 301, 200))
    picture.save(tmp_path / "picture.png")
    picture.save(tmp_path / "picture.jpg", quality=95)
    script = """
        const { correct } = await import('./answers.js'), answers = [];
        for (const [index, angle, crop, fill] of [
          [0, 90, 'fit'], [0, 180, 'same'], [0, -90, 'same'], [0, 30, 'fit'], [0, -30, 'keep'], [0, 30, 'same'],
          [0, 30, 'aspect'], [0, -30, 'keep', 'mirror'], [1, 12.3, 'inscribed'], [1, 0, 'fit'],
        ]) {
          const file = await correct(files[index], angle, crop, fill);
          const bytes = new Uint8Array(await file.arrayBuffer());
          answers.push([file.name, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))]);
        }
        return answers;
    """
    answers = asked(opened, [tmp_path / "picture.png", tmp_path / "picture.jpg"], script)
    names, turned = zip(*((name, base64.b64decode(data)) for name, data in answers), strict=True)
    assert set(names[:8]) == {"picture.png"} and set(names[8:]) == {"picture.jpg"}
    pixels = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in turned]
    for found, quarters in zip(pixels[:3], (-1, 2, 1), strict=True):
        np.testing.assert_array_equal(found, np.rot90(np.asarray(picture), quarters))
    asked_for = (
        *((30, "fit", 0), (-30, "keep", 0), (30, "same", 0), (30, "aspect", 0)),
        *((-30, "keep", "mirror"), (12.3, "fit", 0)),
    )
    for found, (angle, crop, fill) in zip(pixels[3:9], asked_for, strict=True):
        expected = rotnet.rotate(np.asarray(picture), -angle, crop=crop, fill=fill, interpolation="bilinear")
        assert found.shape == expected.shape
        assert np.abs(found.astype(float) - expected).mean() < 4
    assert turned[9] == (tmp_path / "picture.jpg").read_bytes(), "what is not turned comes back as it is"
    assert opened.execute_script("return document.getElementById('note').textContent").endswith("rotnet correct.")


def test_the_page_without_a_network(static_page, browser, tmp_path):
    photo("rocket.jpg").save(tmp_path / "b.jpg")
    photo("pavilion.jpg").save(tmp_path / "a.webp")
    (tmp_path / "bad.jpg").write_text("no picture")
    with serving_files(tmp_path) as (elsewhere, overheard):
        # in a folder of the host, as project sites are
        with serving_files(static_page.parent) as (host, requests):
            address = f"{host}{static_page.name}/"
            browser.get(address)
            ready = "const done = arguments[0]; navigator.serviceWorker.ready.then(() => done(true));"
            assert browser.execute_async_script(ready)
            # neither the page nor its worker, which is one of a blob too, can speak to anybody else
            tried = """
                const [address, done] = arguments, text = `fetch('${address}').then(() => 'told', () => 'refused')`;
                const send = `${text}.then((answer) => postMessage(answer));`;
                const worker = new Worker(URL.createObjectURL(new Blob([send], { type: 'text/javascript' })));
                const here = fetch(address).then(() => 'told', () => 'refused');
                worker.onmessage = async ({ data }) => done([data, await here]);
            """
            refused = browser.execute_async_script(tried, elsewhere)
            assert refused == ["refused", "refused"] and not overheard
            root = f"GET /{static_page.name}/"
            allowed = {f"{root}{path.name}" for path in static_page.iterdir()} | {root}
            assert set(requests) <= allowed
            manifest = json.loads((static_page / "manifest.webmanifest").read_text())
            assert all((static_page / icon["src"]).is_file() for icon in manifest["icons"])
            problems = browser.execute_cdp_cmd("Page.getInstallabilityErrors", {})["installabilityErrors"]
            assert [problem["errorId"] for problem in problems if problem["errorId"] != "in-incognito"] == []
        # the server is gone, and what the browser keeps of its own accord
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.get(address)
        names = ("a.webp", "bad.jpg", "b.jpg")
        browser.find_element("id", "files").send_keys("\n".join(str(tmp_path / name) for name in names))
        found = states(browser, 3)
        assert re.fullmatch(r"turned by 1[678]\.\d°", found[0]) and found[1] == "not read"
        assert re.fullmatch(r"turned by 9[0-4]\.\d°", found[2])
        browser.find_element("id", "download-all").click()
        archive = tmp_path / "downloads" / "upright.zip"
        wait_for(archive.is_file)
        with zipfile.ZipFile(archive) as files:
            assert files.testzip() is None
            assert files.namelist() == ["a.png", "b.jpg"]
            assert rotnet.angle_difference(rotnet.predict_angle(files.read("b.jpg")).angle, 0.0) < 4
        browser.find_elements("css selector", "#strip button")[1].click()
        assert "This is not a picture that this browser can read" in texts(browser, "#problem")[0]


def test_nothing_else_is_overwritten(builder, tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"kept")
    with pytest.raises(SystemExit, match="holds something else"):
        builder.build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_another_package_is_refused(axe, builder, tmp_path, monkeypatch):
    pinned = json.loads((ROOT / "page" / "packages.json").read_text())
    pinned["axe-core"]["integrity"] = "sha512-other"
    (tmp_path / "packages.json").write_text(json.dumps(pinned))
    monkeypatch.setattr(builder, "HERE", tmp_path)
    with pytest.raises(SystemExit, match="is not what it was: expected sha512-other"):
        builder.unpacked("axe-core", "axe.min.js")


def test_a_page_that_is_not_whole_says_so(static_page, browser, tmp_path):
    for path in static_page.iterdir():
        if path.suffix != ".onnx":
            (tmp_path / path.name).symlink_to(path)
    with serving_files(tmp_path) as (address, _):
        browser.get(address)
        browser.find_element("id", "files").send_keys(str(PHOTOS[0]))
        assert states(browser, 1) == ["not read"]
        assert texts(browser, "#problem")[0].startswith("The network could not be loaded: ")
