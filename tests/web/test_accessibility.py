"""Neither page has anything that axe complains of: light and dark, on a desk and on a phone."""

from accessibility import in_all_looks
from chromium import serving_files, states
from compass import crooked
from pictures import encoded
from serving import serving


def checked(browser, axe, tmp_path):
    """What axe says of the page: empty, with pictures, and with one that cannot be read at hand."""
    names = ("tilted.png", "upright.png", "bad.jpg")
    for name, content in zip(names, (encoded(crooked(30.0)), encoded(crooked(0.0)), b"no picture"), strict=True):
        (tmp_path / name).write_bytes(content)
    browser.execute_script(axe)
    found = in_all_looks(browser, "empty")
    browser.find_element("id", "files").send_keys("\n".join(str(tmp_path / name) for name in names))
    states(browser, 3)
    found += in_all_looks(browser, "with pictures")
    browser.execute_script("document.querySelectorAll('#strip button')[2].click()")
    return found + in_all_looks(browser, "with a bad one at hand")


def test_of_rotnet_serve(browser, axe, tmp_path, model):
    with serving(model) as (address, _):
        browser.get(address)
        problems = checked(browser, axe, tmp_path)
        assert not problems, "\n".join(problems)


def test_without_a_server(browser, axe, tmp_path, static_page):
    with serving_files(static_page) as (address, _):
        browser.get(address)
        problems = checked(browser, axe, tmp_path)
        assert not problems, "\n".join(problems)
