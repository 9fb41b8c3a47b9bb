"""The page of `rotnet correct --preview` in a browser: a person decides, and `rotnet apply` does just that."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from accessibility import in_all_looks
from chromium import texts, wait_for
from compass import posts
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from trees import everything, raw, save, save_flat

from rotnet.cli.main import main
from rotnet.geometry.angles import angle_difference
from rotnet.geometry.cropping import share_lost


@pytest.fixture
def sheet(folder, model):
    """Address of the page of pictures to turn, to leave, to doubt and to give up on; the working folder is theirs."""
    save("in/a.png")
    save("in/b #1.png", 200.0)
    save("in/c.png", 0.0)
    save_flat("in/flat.png")
    Path("in/bad.jpg").write_text("no picture")
    options = ["correct", "in", "-o", "out", "--model", model]
    assert main([*options, "--preview", "pages/sheet.html", "--report", "plan.jsonl"]) == 1
    return Path("pages/sheet.html").resolve().as_uri()


def rows_of(path):
    return {Path(row["path"]).name: row for row in map(json.loads, Path(path).read_text().splitlines())}


def press(browser, *keys):
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def at_hand(browser):
    """Name of the picture that keys are about."""
    return browser.execute_script("return document.querySelector('[tabindex] h2').textContent")


def told(browser):
    return browser.find_element("id", "told").text


def card(browser, name):
    """A card, in view and with its controls."""
    script = "return [...document.querySelectorAll('article')].find((card) => card.innerText.includes(arguments[0]))"
    found = browser.execute_script(script, name)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    wait_for(lambda: found.find_elements("css selector", "canvas"))
    return found


def click(browser, name, deed):
    card(browser, name).find_element("css selector", f"[data-do={deed}]").click()


def saved(browser, tmp_path, name="decisions.jsonl"):
    browser.find_element("id", "save").click()
    path = tmp_path / "downloads" / name
    wait_for(path.is_file)
    return path


def test_buttons_decide_and_apply_obeys(browser, sheet, tmp_path, capsys):
    browser.get(sheet)
    before = everything("in")
    plan = rows_of("plan.jsonl")
    assert told(browser) == "2 to turn, 2 to leave, 0 left out; 0 of 4 decided by you"
    likeliest = card(browser, "flat.png").find_element("css selector", "canvas")
    assert likeliest.get_attribute("aria-label").startswith("would be turned by "), "of one that is unsure"

    click(browser, "a.png", "leave")
    click(browser, "b #1.png", "right")
    click(browser, "b #1.png", "right")
    click(browser, "c.png", "out")
    click(browser, "flat.png", "turn")
    field = card(browser, "flat.png").find_element("css selector", "input")
    for typed in ("", "-90"):
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE, typed, Keys.ENTER)
    assert told(browser) == "2 to turn, 1 to leave, 1 left out; 4 of 4 decided by you"

    path = saved(browser, tmp_path)
    rows = rows_of(path)
    assert set(rows) == {"a.png", "b #1.png", "flat.png"}
    assert all(row["decided"] == "person" and "confidence" not in row for row in rows.values())
    assert (rows["a.png"]["action"], rows["a.png"]["angle"]) == ("upright", 0)
    assert angle_difference(rows["b #1.png"]["angle"], plan["b #1.png"]["angle"] + 180.0) < 1e-3
    assert (rows["flat.png"]["angle"], rows["flat.png"]["reason"]) == (270, "turned by -90.0° by a person")
    assert all(rows[name]["planned"] == plan[name]["planned"] for name in rows)

    assert main(["apply", str(path)]) == 0
    after = everything("out")
    assert set(after) == {"out/a.png", "out/b #1.png", "out/flat.png"}
    assert after["out/a.png"] == before["in/a.png"]
    with Image.open("out/flat.png") as turned:
        assert turned.size == (20, 30)


def test_a_picture_that_is_turned_to_0_is_left_as_it_is(browser, sheet, tmp_path, capsys):
    browser.get(sheet)
    for name in ("a.png", "flat.png"):
        field = card(browser, name).find_element("css selector", "input")
        field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE, "0", Keys.ENTER)
    assert told(browser) == "1 to turn, 3 to leave, 0 left out; 2 of 4 decided by you"
    decisions = saved(browser, tmp_path)
    row = rows_of(decisions)["a.png"]
    assert (row["action"], row["angle"], row["reason"]) == ("upright", 0, "left as it is by a person")
    assert "lost" not in row and "confidence" not in row and row["decided"] == "person"
    assert rows_of(decisions)["flat.png"]["action"] == "unsure"
    assert main(["apply", str(decisions)]) == 0
    assert "1 turned, 2 upright" in capsys.readouterr().out
    assert Path("out/a.png").read_bytes() == Path("in/a.png").read_bytes()
    click(browser, "a.png", "right")
    assert told(browser).startswith("2 to turn, 2 to leave"), "from there on"


def test_quarter_turns_of_what_is_left_are_of_the_picture_as_it_is(browser, sheet, tmp_path):
    browser.get(sheet)
    assert rows_of("plan.jsonl")["flat.png"]["action"] == "unsure"
    click(browser, "flat.png", "right")
    click(browser, "a.png", "leave")
    for _ in range(2):
        click(browser, "a.png", "left")
    rows = rows_of(saved(browser, tmp_path))
    assert (rows["flat.png"]["angle"], rows["a.png"]["angle"]) == (90, 180)


def test_keys_decide_and_undo_takes_back(browser, sheet, tmp_path):
    browser.get(sheet)
    plan = rows_of("plan.jsonl")
    names = texts(browser, "article h2")
    assert at_hand(browser) == names[0] == "flat.png", "the least sure comes first"
    press(browser, "t")
    press(browser, "l")
    assert at_hand(browser) == names[2]
    press(browser, "]", "[", "x", "a")
    assert told(browser) == "1 to turn, 2 to leave, 1 left out; 4 of 4 decided by you"
    press(browser, "u", "u")
    assert told(browser).endswith("3 of 4 decided by you") and at_hand(browser) == names[2]
    press(browser, "u", "u")
    assert told(browser).endswith("2 of 4 decided by you")
    press(browser, "u", "u")
    assert told(browser) == "2 to turn, 2 to leave, 0 left out; 0 of 4 decided by you"
    assert at_hand(browser) == "flat.png"
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    assert saved(browser, tmp_path).read_text().splitlines()[1:] == [json.dumps(plan[name]) for name in names[1:]]
    first = rows_of(tmp_path / "downloads" / "decisions.jsonl")["flat.png"]
    assert (first["action"], first["decided"]) == ("turned", "person")


def test_filters_and_all_at_once(browser, sheet, tmp_path):
    browser.get(sheet)
    shown = lambda: [name for name in texts(browser, "article:not([hidden]) h2") if name]  # noqa: E731
    buttons = {button.text: button for button in browser.find_elements("css selector", "#show button")}
    assert list(buttons) == ["all 5", "turned 2", "upright 1", "not sure 1", "failed 1"]
    buttons["turned 2"].click()
    assert sorted(shown()) == ["a.png", "b #1.png"] and told(browser).endswith("; 2 shown")
    browser.find_element("id", "accept").click()
    assert told(browser).startswith("2 to turn, 2 to leave, 0 left out; 2 of 4 decided by you")
    buttons["all 5"].click()
    browser.find_element("id", "open").click()
    assert sorted(shown()) == ["c.png", "flat.png"]
    browser.find_element("id", "search").send_keys("upright within")
    assert shown() == ["c.png"] and at_hand(browser) == "c.png"
    browser.find_element("id", "undo").click()
    assert told(browser).startswith("2 to turn, 2 to leave, 0 left out; 0 of 4")
    buttons["failed 1"].click()
    browser.find_element("id", "search").clear()
    browser.find_element("id", "search").send_keys("bad")
    assert shown() == [] and "not a picture" in browser.find_element("css selector", ".failed:not([hidden])").text


def test_a_picture_is_shown_large(browser, sheet):
    browser.get(sheet)
    card(browser, "b #1.png").find_element("css selector", "img").click()
    large = browser.find_element("css selector", "dialog img")
    wait_for(lambda: large.get_property("naturalWidth") > 0)
    assert large.get_property("src").endswith("/in/b%20%231.png"), "the file itself, not its thumbnail"
    assert browser.find_element("id", "zoomed").text.startswith("b #1.png: turned by -160")
    press(browser, "l")
    wait_for(lambda: not browser.find_element("id", "zoomed").text.startswith("b #1"))
    press(browser, Keys.ESCAPE)
    Path("in/flat.png").unlink()
    card(browser, "flat.png").click()
    press(browser, "z")
    gone = "It cannot be shown here"
    wait_for(lambda: gone in browser.find_element("css selector", "dialog p").text)
    assert browser.find_element("css selector", "dialog img").get_property("src").startswith("data:")


def test_turned_by_the_page_as_by_python(browser, folder, model):
    """What the page draws has the shape and the colours of what is written."""
    save("in/a.png")
    for options in (
        *([], ["--crop", "same"], ["--crop", "aspect"], ["--crop", "expand", "--fill", "255,0,0"]),
        *(["--crop", "keep", "--fill", "mirror"], ["--max-loss", "0.2", "--fill", "blur"]),
    ):
        base = ["correct", "in/a.png", "-o", "out", "--overwrite", "--model", model, *options]
        assert main([*base, "--preview", "sheet.html"]) == main(base) == 0
        browser.get(Path("sheet.html").resolve().as_uri())
        canvas = wait_for(lambda: browser.find_elements("css selector", "article canvas"))[0]
        script = "const { width, height } = arguments[0]; return [width, height]"
        with Image.open("out/a.png") as turned:
            wait_for(lambda canvas=canvas: canvas.get_property("width") != 300)
            width, height = browser.execute_script(script, canvas)
            assert abs(width - turned.width) <= 1 and abs(height - turned.height) <= 1
            pixel = "return [...arguments[0].getContext('2d').getImageData(arguments[1], arguments[2], 1, 1).data]"
            for share in ((0.02, 0.02), (0.5, 0.1), (0.5, 0.9)):
                x, y = (int(one * side) for one, side in zip(share, (width, height), strict=True))
                expected = turned.convert("RGB").getpixel((x, y))
                found = browser.execute_script(pixel, canvas, x, y)[:3]
                assert found == pytest.approx(expected, abs=16)


def chosen(browser, name):
    """The crop that a card shows, and what it says of the loss."""
    found = card(browser, name)
    told = wait_for(lambda: found.find_element("css selector", "output").text)
    return found.find_element("css selector", "select").get_property("value"), told


def test_crops_are_chosen_and_apply_obeys(browser, folder, model, tmp_path):
    save("in/a.png")
    save("in/b.png", 200.0)
    save("in/c.png", 90.0)
    options = ["correct", "in", "-o", "out", "--model", model, "--max-loss", "0.5", "--fill", "mirror"]
    assert main([*options, "--preview", "sheet.html", "--report", "plan.jsonl"]) == 0
    browser.get(Path("sheet.html").resolve().as_uri())
    plan = rows_of("plan.jsonl")
    assert chosen(browser, "a.png") == ("keep", "nothing cut off")
    assert "kept whole: fit would lose 57% of its area" in card(browser, "a.png").text
    assert chosen(browser, "b.png") == ("fit", f"{plan['b.png']['lost']:.0%} cut off")
    assert chosen(browser, "c.png")[1] == "nothing cut off"
    assert not card(browser, "c.png").find_element("css selector", "select").is_enabled()

    Select(card(browser, "a.png").find_element("css selector", "select")).select_by_value("aspect")
    wait_for(lambda: re.fullmatch("[3-6][0-9]% cut off", chosen(browser, "a.png")[1]))
    card(browser, "b.png").find_element("css selector", "h2").click()
    press(browser, "c")
    wait_for(lambda: chosen(browser, "b.png")[0] == "aspect")
    press(browser, "c")
    wait_for(lambda: chosen(browser, "b.png") == ("keep", "nothing cut off"))
    press(browser, "u", "c", "c", "c")
    wait_for(lambda: chosen(browser, "b.png")[0] == "fit")
    press(browser, "c", "c", "c")
    wait_for(lambda: chosen(browser, "b.png")[0] == "same")
    path = saved(browser, tmp_path)
    rows = rows_of(path)
    assert (rows["a.png"]["crop"], rows["b.png"]["crop"], rows["c.png"]) == ("aspect", "same", plan["c.png"])
    assert rows["a.png"]["confidence"] == plan["a.png"]["confidence"] and rows["a.png"]["decided"] == "person"
    assert re.fullmatch(r"turned by 30\.\d°, cropped by a person", rows["a.png"]["reason"])
    assert main(["apply", str(path), "--report", "done.jsonl"]) == 0
    done = rows_of("done.jsonl")
    for name, crop in (("a.png", "aspect"), ("b.png", "same")):
        expected = share_lost(64, 48, math.radians(done[name]["angle"]), crop)
        assert done[name]["crop"] == crop and done[name]["lost"] == pytest.approx(expected, abs=1e-4)
    with Image.open("out/b.png") as turned:
        assert turned.size == (64, 48)


def test_what_is_left_for_its_crop_is_shown_and_may_be_turned(browser, folder, model, tmp_path):
    save("in/a.png")
    options = ["correct", "in", "-o", "out", "--model", model, "--max-loss", "0.5", "--beyond", "leave"]
    assert main([*options, "--preview", "sheet.html"]) == 0
    browser.get(Path("sheet.html").resolve().as_uri())
    assert told(browser).startswith("0 to turn, 1 to leave")
    assert texts(browser, "#show button") == ["all 1", "too much lost 1"]
    assert chosen(browser, "a.png") == ("fit", "57% cut off")
    click(browser, "a.png", "turn")
    path = saved(browser, tmp_path)
    assert main(["apply", str(path), "--report", "done.jsonl"]) == 0
    assert (rows_of("done.jsonl")["a.png"]["action"], rows_of("done.jsonl")["a.png"]["crop"]) == ("turned", "fit")


def test_for_sidecars_there_is_one_crop(browser, folder, model, tmp_path):
    save("in/a.png")
    Path("in/b.cr2").write_bytes(raw(20.0))
    options = ["correct", "in", "-o", "out", "--model", model, "--sidecar", "--crop", "keep", "--max-loss", "0.5"]
    assert main([*options, "--preview", "sheet.html"]) == 0
    browser.get(Path("sheet.html").resolve().as_uri())
    assert chosen(browser, "a.png") == ("fit", "57% cut off") and chosen(browser, "b.cr2") == ("fit", "43% cut off")
    assert not card(browser, "b.cr2").find_element("css selector", "select").is_enabled()
    click(browser, "a.png", "turn")
    path = saved(browser, tmp_path)
    assert main(["apply", str(path), "--report", "done.jsonl"]) == 0
    assert {(row["action"], row["method"], row["crop"]) for row in rows_of("done.jsonl").values()} == {
        ("turned", "sidecar", "fit")
    }
    assert Path("out/a.png.xmp").is_file() and Path("out/b.xmp").is_file()


def test_level_lines_are_drawn_on_request(browser, folder, model):
    Image.fromarray(posts()).save("posts.png")
    save("plain.png", 30.0)
    assert main(["correct", ".", "-o", "out", "--model", model, "--preview", "sheet.html"]) == 0
    browser.get(Path("sheet.html").resolve().as_uri())
    leaning, plain = (card(browser, f"{name}.png") for name in ("posts", "plain"))
    assert not browser.find_elements("css selector", "svg")
    press(browser, "g")
    wait_for(lambda: len(browser.find_elements("css selector", "article > svg")) == 4)
    believed = [one.find_element("css selector", ".believed").get_attribute("d") for one in (leaning, plain)]
    assert believed[0].count("M") > 5 and not believed[1]
    ends = np.array([float(number) for number in re.findall(r"[\d.]+", believed[0])]).reshape(-1, 4)
    leaning = np.degrees(np.arctan2(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1])) % 180
    assert np.median(leaning) == pytest.approx(5.7, abs=0.3)
    turned = plain.find_element("css selector", "svg path").get_attribute("transform")
    assert float(turned[len("rotate(") :].split()[0]) == pytest.approx(-30.0, abs=1)
    press(browser, "g")
    assert not browser.find_elements("css selector", "svg")


def test_accessible(browser, sheet, axe):
    browser.get(sheet)
    wait_for(lambda: len(browser.find_elements("css selector", "canvas")) == 5)
    browser.execute_script(axe)
    problems = in_all_looks(browser, "at first")
    press(browser, "x", "l", "t")
    browser.find_element("css selector", "summary").click()
    problems += in_all_looks(browser, "decided")
    press(browser, Keys.TAB, "z")
    problems += in_all_looks(browser, "large")
    assert not problems, "\n".join(problems)
