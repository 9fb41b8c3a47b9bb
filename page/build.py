"""Build the page without a server: `python page/build.py -o dist/page`, for any server of files.

The page is that of `rotnet serve`, answered by the preset `photo_int8` in the browser instead of by a server. What
Python knows of the model and of the decision goes into `model.json`, so that nothing is written twice. ONNX Runtime
comes from npm, in the version and with the checksum of `packages.json`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import files as files_of
from pathlib import Path
from typing import Any

from rotnet.geometry import angles
from rotnet.inference import decision, model_card, presets, views
from rotnet.inference.predictor import LOOKS, SURE_FROM, Predictor

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PRESET = "photo_int8"
WEB = ROOT / "rotnet" / "web"  # the page of `rotnet serve`
KINDS = (".css", ".js", ".svg", ".webmanifest")
VENDORED = {"dist/ort.wasm.bundle.min.mjs": "ort.js", "dist/ort-wasm-simd-threaded.wasm": "ort.wasm"}
# nothing is fetched from, or sent to, anywhere but the folder's own host
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)
HEAD = f"""<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="description" content="Turns crooked pictures upright, on this computer: nothing is uploaded.">
<link rel="manifest" href="manifest.webmanifest">
"""
STARTING = """<p id="starting">This page needs JavaScript and a server of files, for browsers run no modules from
<code>file:</code> addresses: <code>python -m http.server -d this-folder</code></p>
"""


def build(folder: Path) -> None:
    """Write the page's files to a folder, in the place of those of an earlier build.

    Raises:
        SystemExit: The folder holds something else, or ONNX Runtime cannot be had.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "service_worker.js").is_file():
        raise SystemExit(f"{folder} holds something else than the page: name another folder.")
    # those of this folder take the place of what has their name there
    contents = {path.name: path.read_bytes() for part in (WEB, HERE) for path in part.iterdir() if path.suffix in KINDS}
    worker = contents.pop("service_worker.js").decode()
    contents["index.html"] = _index((WEB / "page.html").read_text(encoding="utf-8")).encode()
    contents |= {VENDORED[path]: content for path, content in unpacked("onnxruntime-web", *VENDORED).items()}
    # the map that it names is not shipped
    contents["ort.js"] = contents["ort.js"].rpartition(b"//# sourceMappingURL=")[0]
    model = presets.find(PRESET)
    contents[model.name] = model.read_bytes()
    contents["model.json"] = json.dumps(settings(Predictor(PRESET), model.name)).encode()
    contents |= _licences()
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name} {len(content)} ".encode() + content)
    files = ["./", *sorted(set(contents) - {"index.html"})]
    versioned = f'const VERSION = "{digest.hexdigest()[:16]}";\nconst FILES = {json.dumps(files)};\n{worker}'
    contents["service_worker.js"] = versioned.encode()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def settings(predictor: Predictor, file: str) -> dict[str, Any]:
    """What the page has to know of a model and of the rules of Python, for `model.json`."""
    card = predictor.card
    assert card.decoder == "local_mean" and predictor.input_size[0] == predictor.input_size[1], (
        "all that the page knows"
    )
    return {
        "file": file,
        "size": predictor.input_size[0],
        "longest": views.LONGEST,
        "floor": views.FLOOR,
        "smoothing": angles.encode_angles(0.0, sigma=angles.PEAK_SIGMA).tolist(),
        "window": angles.LOCAL_WINDOW,
        "tolerance": card.tolerance,
        "leastMass": model_card.LEAST_MASS,
        "calibration": {turns: card.calibration_of(turns) for turns in (1, 2, 4)},
        "looks": [len(look) for look in LOOKS],
        "sureFrom": SURE_FROM,
        "minConfidence": card.min_confidence,
        "maxUpright": card.max_upright,
        "uprightMassWithin": model_card.HARMLESS_WITHIN,
        "uprightWithin": angles.UPRIGHT_WITHIN,
        "quarterWithin": angles.QUARTER_WITHIN,
        "slight": decision.SLIGHT,
        "apart": decision.APART,
    }


def unpacked(package: str, *paths: str) -> dict[str, bytes]:
    """Files of an npm package, by path, once its archive has the checksum of `packages.json`.

    Raises:
        SystemExit: There is no npm, the package cannot be had, or it is another one.
    """
    pinned = json.loads((HERE / "packages.json").read_text(encoding="utf-8"))[package]
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm, which fetches ONNX Runtime for the browser, is not installed: https://nodejs.org")
    with tempfile.TemporaryDirectory() as folder:
        # npm keeps what it has fetched, so that the next build needs no network
        command = [npm, "pack", "--prefer-offline", "--silent", f"{package}@{pinned['version']}"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if run.returncode or len(archives) != 1:
            raise SystemExit(f"npm cannot fetch {package} {pinned['version']}: {run.stderr.strip()[-300:]}")
        archive = archives[0].read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != pinned["integrity"]:
        raise SystemExit(
            f"{package} {pinned['version']} is not what it was: expected {pinned['integrity']}, got {found}."
        )
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        opened = {path: members.extractfile(f"package/{path}") for path in paths}
        return {path: file.read() for path, file in opened.items() if file}


def _index(page: str) -> str:
    before, title, after = page.partition("<title>")
    return before + HEAD + title + after.replace("<main>", STARTING + "\n<main>")


def _licences() -> dict[str, bytes]:
    """Those of rotnet, of the network's first weights, and of ONNX Runtime, whose Python package has them."""
    found = {"LICENSE.txt": ROOT / "LICENSE", "LICENSE-weights.txt": ROOT / "weights" / "LICENSE-APACHE"}
    for file in files_of("onnxruntime") or ():
        if file.name in ("LICENSE", "ThirdPartyNotices.txt"):
            found[f"{file.stem}-onnxruntime.txt"] = Path(str(file.locate()))
    return {name: path.read_bytes() for name, path in found.items()}


def main(arguments: list[str] | None = None) -> int:
    """Build, and say what was built."""
    parser = argparse.ArgumentParser(description="Build the page without a server.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist" / "page", help="the folder (%(default)s)")
    folder = parser.parse_args(arguments).output
    build(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    shown = os.path.relpath(folder)
    print(f"{shown}: {size / 1e6:.1f} MB. To look at it: python -m http.server -d {shown} --bind 127.0.0.1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
