"""What axe says of a page, light and dark, on a desk and on a phone."""

SIZES = {"desk": (1400, 900, False), "phone": (390, 844, True)}


def violations(browser):
    script = "const done = arguments[0]; axe.run(document).then(({ violations }) => done(violations));"
    return [
        f"{found['id']}: {node['target']}: {node['failureSummary']}"
        for found in browser.execute_async_script(script)
        for node in found["nodes"]
    ]


def in_all_looks(browser, state):
    """What axe complains of in the page as it is, in each look."""
    found = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        for device, (width, height, mobile) in SIZES.items():
            metrics = {"width": width, "height": height, "mobile": mobile, "deviceScaleFactor": 1}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            found.extend(f"{state}, {scheme}, {device}: {problem}" for problem in violations(browser))
    return found
