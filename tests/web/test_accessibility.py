"""Neither page has anything that axe complains of: light and dark, on a desk and on a phone."""

from chromium import serving_files, states
from compass import crooked
from pictures import encoded
from serving import serving

SIZES = {"desk": (1400, 900, False), "phone": (390, 844, True)}


def violations(browser):
    script = "const done = arguments[0]; axe.run(document).then(({ violations }) => done(violations));"
    return [
        f"{found['id']}: {node['target']}: {node['failureSummary']}"
        for found in browser.execute_async_script(script)
        for node in found["nodes"]
    ]


def checked(browser, axe, tmp_path):
    """What axe says of the page: empty, with pictures, and with one that cannot be read at hand."""
    names = ("tilted.png", "upright.png", "bad.jpg")
    for name, content in zip(names, (encoded(crooked(30.0)), encoded(crooked(0.0)), b"no picture"), strict=True):
        (tmp_path / name).write_bytes(content)
    browser.execute_script(axe)
    found = []

    def look(state):
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            for device, (width, height, mobile) in SIZES.items():
                metrics = {"width": width, "height": height, "mobile": mobile, "deviceScaleFactor": 1}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
                found.extend(f"{state}, {scheme}, {device}: {problem}" for problem in violations(browser))

    look("empty")
    browser.find_element("id", "files").send_keys("\n".join(str(tmp_path / name) for name in names))
    states(browser, 3)
    look("with pictures")
    browser.execute_script("document.querySelectorAll('#strip button')[2].click()")
    look("with a bad one at hand")
    return found


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
