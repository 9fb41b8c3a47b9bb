"""What is fuzzed: damaged and hostile input for each of those that read files of strangers, made from a seed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from compass import compass_onnx, crooked
from pictures import encoded, exif_with
from PIL import Image, features

PIXELS = 20_000_000
KINDS = {
    "jpg": lambda: encoded(crooked(30.0), "JPEG", quality=90, exif=exif_with(6), dpi=(72, 72)),
    "progressive.jpg": lambda: encoded(crooked(90.0), "JPEG", progressive=True, subsampling=2),
    "png": lambda: encoded(crooked(30.0), exif=exif_with(3)),
    "palette.png": lambda: encoded(Image.fromarray(crooked(90.0)).quantize(64)),
    "tif": lambda: encoded(crooked(30.0), "TIFF", compression="tiff_lzw", exif=exif_with(8)),
    "webp": lambda: encoded(crooked(90.0), "WEBP", exif=exif_with(1)),
    "bmp": lambda: encoded(crooked(30.0), "BMP"),
    "gif": lambda: encoded(crooked(30.0), "GIF"),
}
SIDECAR = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 tiff:Orientation="1"><mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag><rdf:li
 rdf:parseType="Resource"><mwg-rs:Area stArea:x="0.4" stArea:y="0.5" stArea:w="0.1" stArea:h="0.2"/></rdf:li>
</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions><Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType="Resource">
<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource"><Iptc4xmpExt:rbShape>polygon</Iptc4xmpExt:rbShape>
<Iptc4xmpExt:rbVertices><rdf:Seq><rdf:li Iptc4xmpExt:rbX="0.1" Iptc4xmpExt:rbY="0.2"/><rdf:li Iptc4xmpExt:rbX="0.5"
 Iptc4xmpExt:rbY="0.9"/><rdf:li Iptc4xmpExt:rbX="1" Iptc4xmpExt:rbY="0"/></rdf:Seq></Iptc4xmpExt:rbVertices>
</Iptc4xmpExt:RegionBoundary></rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
ODD_TEXT = ["", "\ud800", "a\0b", "../victim.txt", "/", "x" * 9999]
ODD = [*ODD_TEXT, None, True, -1, 0, 1e308, 10**400, float("nan"), [], {}, [[]]]


def mutant(data: bytes, rng: random.Random) -> bytes:
    """A file with a few bytes changed, cut, doubled or moved."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, length = rng.randrange(len(data)), rng.choice((1, 2, 4, 16, 200))
        match rng.choice(("flip", "set", "cut", "end", "double", "number")):
            case "flip":
                data[at] ^= 1 << rng.randrange(8)
            case "set":
                data[at] = rng.choice((0, 1, 127, 128, 255))
            case "cut" if len(data) > length:
                del data[at : at + length]
            case "end" if at > 20:
                del data[at:]
            case "double":
                data[at:at] = data[at : at + length]
            case "number":
                data[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
    return bytes(data)


def odd_json(value: object, rng: random.Random) -> str:
    """JSON with one of its values replaced, or with nesting beyond reason."""
    places: list[tuple[object, object]] = []

    def walk(node: object) -> None:
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    value = json.loads(json.dumps(value))
    walk(value)
    for _ in range(rng.choice((0, 1, 1, 2))):
        node, key = rng.choice(places)
        node[key] = rng.choice(ODD)
    text = json.dumps(value)
    return text if rng.random() > 0.05 else text[:-1] + ', "deep": ' + "[" * 50_000


def odd_lines(lines: list[object], rng: random.Random) -> bytes:
    """JSON lines, some of them odd, one left out, doubled or damaged."""
    texts = [odd_json(line, rng) if rng.random() < 0.3 else json.dumps(line) for line in lines]
    if rng.random() < 0.3:
        texts.insert(rng.randrange(1, len(texts) + 1), texts.pop(rng.randrange(len(texts))))
    data = "".join(f"{text}\n" for text in texts).encode()
    return mutant(data, rng) if rng.random() < 0.5 else data


# Targets: an input of a seed, in a folder of its own ------------------------------------------------------------------


def picture(rng: random.Random) -> None:
    """Picture files, read, turned and told from others."""
    from rotnet import read_image
    from rotnet.images.fingerprint import fingerprint
    from rotnet.images.turn_file import turn_bytes

    data = mutant(_whole(rng.choice([kind for kind in KINDS if kind != "webp" or features.check("webp")])), rng)
    for use in (
        lambda: read_image(data, max_pixels=PIXELS),
        lambda: turn_bytes(data, rng.choice((90.0, 30.0)), name="fuzz", max_pixels=PIXELS),
        lambda: read_image(data, max_pixels=PIXELS, strict=False),
        lambda: turn_bytes(data, rng.choice((90.0, 30.0)), name="fuzz", max_pixels=PIXELS, strict=False),
        lambda: fingerprint(data),
    ):
        tolerated(use)


def sidecar(rng: random.Random) -> None:
    """Sidecars and raw photographs: what they tell read, moved and written."""
    from rotnet.images import raw
    from rotnet.images.sidecar import has_turn, like_picture, with_turn

    picture, small = _whole("jpg"), _whole("progressive.jpg")
    xmp = mutant(SIDECAR, rng)
    photograph = mutant(b"II*\0\x08\0\0\0" + bytes(6) + small + rng.randbytes(3000) + picture, rng)
    for use in (
        lambda: has_turn(xmp, 1),
        lambda: with_turn(xmp, (64, 48), 6, 33.0),
        lambda: like_picture(xmp, picture, small, 30.0, by_tag=False, name="fuzz"),
        lambda: like_picture(xmp, picture, picture, 90.0, by_tag=True, name="fuzz"),
    ):
        with contextlib.suppress(ValueError):  # which says what is wrong with it
            use()
    tolerated(lambda: raw.preview_of(photograph, "fuzz"))


def model(rng: random.Random) -> None:
    """ONNX files, loaded and asked."""
    from rotnet import Predictor

    card = {"decoder": "mode", "tolerance": 10, "calibration": {"4": [1.0, 0.0]}, "min_confidence": 0.5}
    compass_onnx("model.onnx", card=odd_json(card, rng))
    if rng.random() < 0.7:
        Path("model.onnx").write_bytes(mutant(Path("model.onnx").read_bytes(), rng))
    tolerated(lambda: Predictor("model.onnx", threads=1).predict([crooked(30.0)]))


def journal(rng: random.Random) -> None:
    """Journals of `correct` and of `prepare`."""
    from rotnet.datasets.prepare.journal import Journal as Prepared
    from rotnet.files import Journal

    place, here = os.path.abspath("in/a.png"), os.getcwd()
    outcome = {"action": "turned", "angle": 30.0, "confidence": 0.9, "method": "pixels"}
    lines = [
        {"journal": 1, "run": "0" * 16, "options": {"crop": "same"}},
        {"writing": place, "temporary": f"{here}/.rotnet-{'0' * 16}-0.part"},
        {"replacing": place, "outcome": outcome, "stamp": [1, 2, 3]},
        {"done": place},
        {"done": "/in/b.png", "outcome": outcome, "stamp": None},
    ]
    Path("journal").write_bytes(odd_lines(lines, rng))

    def resume() -> None:
        with Journal("journal", resume=True, within=["."]) as opened:
            opened.begin({"crop": "same"})
            opened.outcome_of(Path(place))

    tolerated(resume)
    facts = {"sha256": "", "size": 1, "width": 1, "height": 1}
    Path("known").write_bytes(odd_lines([{"kind": "write", "name": "a.jpg", "key": [1], "facts": facts}] * 3, rng))

    def know() -> None:
        with Prepared(Path("known")) as opened:
            opened.recall("write", "a.jpg", [1])

    tolerated(know)


def plan(rng: random.Random) -> None:
    """Plans, read and carried out."""
    from rotnet.files import carry_out
    from rotnet.files.report import SCHEMA, read_plan

    Path("a.png").write_bytes(encoded(crooked(30.0)))
    options = {"crop": "same", "fill": 0, "quarter_turns": "auto", "max_pixels": PIXELS, "backup": None, "strict": True}
    row = {"schema": SCHEMA, "action": rng.choice(("turned", "upright")), "angle": 30.0, "confidence": 0.9}
    rows = [{**row, "path": name, "target": f"out/{name}"} for name in ("a.png", "../victim.txt")]
    digest, run = hashlib.sha256(Path("a.png").read_bytes()).hexdigest(), f"{'0' * 16}-{'0' * 12}"
    Path("plan").write_bytes(
        odd_lines([{**one, "planned": {"sha256": digest, **options, "run": run}} for one in rows], rng)
    )
    tolerated(lambda: list(carry_out(*read_plan("plan")[:2], jobs=1)))


def archive(rng: random.Random) -> None:
    """Tar files of pictures, read to their end."""
    from rotnet.engines.inputs import pictures_in, read_picture
    from rotnet.errors import ImageError

    data = mutant(_archive(rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))), rng)
    Path("a.tar").write_bytes(_with_checksums(data, rng) if rng.random() < 0.8 else data)
    for _, found in pictures_in("a.tar"):
        with contextlib.suppress(ImageError):
            read_picture(found)


def registry(rng: random.Random) -> None:
    """Registries of weights, and the files that they name."""
    from rotnet.inference import presets

    preset = {"name": "own", "file": "a.onnx", "sha256": "0", "bytes": 1, "kind": "model", "input_size": [16, 16]}
    text = odd_json({"version": 1, "presets": [{**preset, "errors": {"mean": 1.0}}]}, rng).encode()
    Path("registry.json").write_bytes(mutant(text, rng) if rng.random() < 0.5 else text)
    Path("a.onnx").touch()
    os.environ["ROTNET_WEIGHTS"] = os.getcwd()
    tolerated(lambda: presets.find("own"))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from rotnet.cli.main import main

        main(["models"])


def request(rng: random.Random) -> None:
    """HTTP requests to the application, past the parser of its server."""
    import anyio

    body = mutant(_whole("jpg"), rng) if rng.random() < 0.7 else rng.randbytes(rng.choice((0, 9, 70_000)))
    headers = {b"host": b"127.0.0.1", b"content-length": str(len(body)).encode(), b"content-type": b"image/jpeg"}
    for name in rng.sample([*headers, b"origin", b"transfer-encoding", b"x-\xff"], 2):
        headers[name] = rng.choice((b"", b"chunked", b"-1", b"9" * 5000, b"\xff\xfe", b"evil.example", b"multipart/x"))
    if rng.random() < 0.7:
        headers[b"host"] = b"localhost"
    query = rng.choice((b"", b"angle=30", b"angle=1e999", b"angle=\xff", b"crop=%00", b"angle=nan&crop=same"))
    path = rng.choice(("/predict", "/correct", "/preview", "/", "/../x", "/\udcff"))
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""},
        **{"method": rng.choice(("POST", "POST", "POST", "GET", "PUT", "\u00e9")), "path": path},
        **{"raw_path": path.encode("utf-8", "surrogateescape"), "query_string": query, "headers": [*headers.items()]},
    }
    parts = [
        {"type": "http.request", "body": body[:100], "more_body": True},
        {"type": "http.request", "body": body[100:]},
    ]
    if rng.random() < 0.2:
        parts[1:] = [{"type": "http.disconnect"}]
    sent = []

    async def receive() -> dict:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    async def ask() -> None:
        await _app()(scope, receive, send)

    anyio.run(ask)
    assert sent[0]["status"] < 500, sent


TARGETS = {use.__name__: use for use in (picture, sidecar, model, journal, plan, archive, registry, request)}


def tolerated(use) -> None:
    """Do it; an error that callers are told to expect is fine."""
    from rotnet import RotNetError

    with contextlib.suppress(RotNetError):
        use()


@cache
def _whole(kind: str) -> bytes:
    return KINDS[kind]()


@cache
def _archive(format: int) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=format) as tar:
        for name in ("a.png", "long" * 40 + ".jpg", "b.webp"):
            info = tarfile.TarInfo(name)
            info.size = 700
            tar.addfile(info, io.BytesIO(bytes(700)))
    return whole.getvalue()


def _with_checksums(data: bytes, rng: random.Random) -> bytes:
    """A tar file whose headers hold, whatever became of them, for else nobody reads on; some members of other kinds."""
    data = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            if rng.random() < 0.2:
                data[at + 156] = rng.choice(b"0125678LKSxgXV\0")
            if rng.random() < 0.2:  # the size, as text or in base 256
                sizes = (rng.randbytes(12), b"\x80" + rng.randbytes(11), b"%011o\0" % 9**9)
                data[at + 124 : at + 136] = rng.choice(sizes)
            if rng.random() < 0.1:  # the map of a sparse member
                data[at + 386 : at + 483] = rng.randbytes(97)
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


@cache
def _app():
    from rotnet.web import Limits, create_app

    model = compass_onnx(Path(tempfile.mkdtemp(dir=os.environ["FUZZ_FOLDER"]), "compass.onnx"))
    return create_app(model, limits=Limits(bytes=1_000_000, pixels=PIXELS))
