"""Enter a file of `weights/` into its `registry.json`, or refresh its size and checksum.

    python weights/tools/register.py photo photo.onnx --set kind=model --set 'errors={"files": {"mean": 1.0}}'

Each `--set` takes a field of `rotnet.inference.presets.Preset`; a value that is JSON is read as JSON. Fields
that are not named keep what they were.
"""

import argparse
import json
from pathlib import Path

from rotnet.inference.presets import sha256

REGISTRY = Path(__file__).parents[1] / "registry.json"


def register(name, file, fields):
    registry = json.loads(REGISTRY.read_text(encoding="utf-8"))
    entries = {entry["name"]: entry for entry in registry["presets"]}
    path = REGISTRY.with_name(file)
    entry = entries.get(name, {}) | {"name": name, "file": file, "sha256": sha256(path), "bytes": path.stat().st_size}
    entries[name] = entry | fields
    registry["presets"] = list(entries.values())
    REGISTRY.write_text(json.dumps(registry, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def field(text):
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("file")
    parser.add_argument("--set", action="append", type=field, default=[], metavar="FIELD=VALUE", dest="fields")
    options = parser.parse_args()
    register(options.name, options.file, dict(options.fields))


if __name__ == "__main__":
    main()
