"""Print the versions of all that rotnet and its tools need, as this environment has them: `make constraints`.

They are those with which the tests passed here; `pip install -c constraints.txt` takes them elsewhere.
"""

import configparser
import importlib.metadata
import platform
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

SETUP = Path(__file__).resolve().parents[1] / "setup.cfg"


def direct(extra="dev"):
    """What setup.cfg asks for itself, and for an extra."""
    settings = configparser.ConfigParser()
    settings.read(SETUP, encoding="utf-8")
    named = [settings["options"]["install_requires"]]
    extras, remaining = settings["options.extras_require"], [extra]
    while remaining:
        text = extras[remaining.pop()]
        named.append(text)
        remaining += [one for needed in parsed(text) if needed.name == "rotnet" for one in needed.extras]
    return [needed for text in named for needed in parsed(text) if needed.name != "rotnet"]


def parsed(text):
    lines = (line.strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def installed(requirements):
    """Version by name of what is needed here, and of what that needs."""
    versions, remaining, seen = {}, list(requirements), set()
    while remaining:
        needed = remaining.pop()
        name = canonicalize_name(needed.name)
        asked = (name, frozenset(needed.extras))
        extras = needed.extras or {""}
        if asked in seen or not (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            continue
        seen.add(asked)
        found = importlib.metadata.distribution(name)
        versions[name] = Version(found.version).public
        for line in found.requires or ():
            further = Requirement(line)
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                remaining.append(Requirement(line.partition(";")[0]))
    return dict(sorted(versions.items()))


def main():
    python, machine = ".".join(platform.python_version_tuple()[:2]), f"{platform.system()} {platform.machine()}"
    print(f"# The versions with which the tests passed on Python {python}, {machine}; made by `make constraints`.")
    print("# pip install -c constraints.txt .")
    for name, version in installed(direct()).items():
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
