"""Damaged JPEG files are told from those that cameras write; what is left of them is had on request."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx, crooked
from pictures import encoded, smooth
from PIL import Image

from rotnet import Predictor, correct_rotation, is_upright, predict_angle
from rotnet.errors import ImageError
from rotnet.files import correct_files, predict_files
from rotnet.files.check import check_files
from rotnet.images import reading
from rotnet.images.formats import jpeg
from rotnet.images.turn_file import turn_bytes

PHOTOS = sorted(Path(__file__).parents[2].joinpath("examples", "photos").glob("*.jpg"))
NOISE = np.random.default_rng(0).integers(0, 60, (208, 304, 3), np.uint8)
PICTURE = smooth(208, 304) // 2 + NOISE


def photo(**options):
    return encoded(PICTURE, "JPEG", **{"quality": 90, **options})


def scan_of(data):
    """Where the last scan begins."""
    return data.rindex(b"\xff\xda") + 14


def cut(data):
    """Its scan cut to a third, and closed."""
    start = scan_of(data)
    return data[: start + (len(data) - start) // 3] + b"\xff\xd9"


def garbled(data, seed=0):
    """400 bytes of its scan replaced by others, none of which is a marker."""
    start, chance = scan_of(data), np.random.default_rng(seed)
    at = start + (len(data) - start) // 3
    return data[:at] + chance.integers(0, 255, 400, np.uint8).tobytes() + data[at + 400 :]


DAMAGED = {
    "cut": lambda: cut(photo()),
    "garbled": lambda: garbled(photo()),
    "cut, progressive": lambda: cut(photo(progressive=True)),
    "cut, gray": lambda: cut(encoded(PICTURE[:, :, 0], "JPEG")),
    "cut, inks": lambda: cut(encoded(Image.fromarray(PICTURE).convert("CMYK"), "JPEG")),
    "cut, of an unknown version": lambda: cut(photo()).replace(b"JFIF\0\1", b"JFIF\0\x09", 1),
}


@pytest.mark.parametrize("short_side", [None, 52])
@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_refused_and_what_is_left_is_had_on_request(kind, short_side):
    data = DAMAGED[kind]()
    for read in (
        lambda **how: reading.read_image(data, short_side=short_side, **how),
        lambda **how: reading.open_pil(data, **how),
    ):
        with pytest.raises(
            ImageError, match=r"is damaged or incomplete: .*; restore it from a backup, or take what is left"
        ):
            read()
        left = np.asarray(read(strict=False))
        assert left.size and left.std() > 1
    with pytest.raises(ImageError, match="is damaged or incomplete"):
        turn_bytes(data, 90.0)


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files_are_turned_by_their_tag_alone(kind):
    data = DAMAGED[kind]()
    scan = data[data.rindex(b"\xff\xda") :]
    for quarter_turns in ("auto", "exif"):
        turned, method = turn_bytes(data, 90.0, quarter_turns=quarter_turns, strict=False)
        assert method == "exif" and turned.endswith(scan)
    for options in (
        {"angle": 20.0},
        {"angle": 90.0, "quarter_turns": "pixels"},
        {"angle": 90.0, "quarter_turns": "off"},
    ):
        with pytest.raises(ImageError, match="is damaged: it is turned by quarter turns of its orientation tag only"):
            turn_bytes(data, strict=False, **options)
    assert turn_bytes(photo(), 20.0, strict=False) == turn_bytes(photo(), 20.0)


@pytest.mark.parametrize("bytes_left", [2, 600])
def test_files_that_end_too_early_are_turned_by_their_tag(bytes_left):
    data = photo()[:-bytes_left]
    turned, method = turn_bytes(data, 180.0, strict=False)
    assert method == "exif" and turned.endswith(data[data.rindex(b"\xff\xda") :])


def test_photographs_with_damage_are_refused():
    told = [0, 0]
    for number, path in enumerate(PHOTOS):
        data = path.read_bytes()
        for kind, harmed in enumerate((cut(data), garbled(data, number))):
            try:
                reading.read_image(harmed, short_side=200)
            except ImageError:
                told[kind] += 1
    # garbage that ends just where what it replaces did leaves no trace
    assert told[0] == len(PHOTOS) and told[1] >= 0.8 * len(PHOTOS)


HARMLESS = {
    "plain": lambda data: data,
    "a video behind the end": lambda data: data + b"\0\0\0\x18ftypmp42" + bytes(NOISE[:50]),
    "filled up with zeros": lambda data: data[:-2] + bytes(3000) + data[-2:],
    "filled up with fill bytes": lambda data: data[:-2] + b"\xff" * 100 + data[-2:],
    "two bytes too many": lambda data: data[:-2] + b"\x12\x34" + data[-2:],
    "an unknown version": lambda data: data.replace(b"JFIF\0\1", b"JFIF\0\x09", 1),
    "a damaged profile": lambda data: data[:2] + b"\xff\xe2\0\x12ICC_PROFILE\0\x09\x02xx" + data[2:],
    "a fill byte before a segment": lambda data: data[:2] + b"\xff" + data[2:],
}


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kind", HARMLESS)
def test_what_cameras_write_is_read(kind, progressive):
    plain = photo(progressive=progressive)
    data = HARMLESS[kind](plain)
    np.testing.assert_array_equal(reading.read_image(data), reading.read_image(plain))
    assert reading.open_pil(data).size == (304, 208)


def test_restart_markers_and_several_pictures_are_read():
    assert reading.read_image(photo(restart_marker_blocks=3)).shape == (208, 304, 3)
    several = encoded(PICTURE, "MPO", save_all=True, append_images=[Image.fromarray(PICTURE[::2, ::2])])
    assert reading.read_image(several).shape == (208, 304, 3)


def test_what_libjpeg_never_came_to_is_not_what_lay_in_memory():
    data = encoded(PICTURE, "JPEG", progressive=True)
    for length in range(200, len(data), 997):
        try:
            first, second = (reading.read_image(data[:length], strict=False) for _ in range(2))
        except ImageError:
            continue
        np.testing.assert_array_equal(first, second)


@pytest.fixture(scope="module")
def compass(tmp_path_factory):
    return Predictor(compass_onnx(tmp_path_factory.mktemp("model") / "compass.onnx"))


def test_every_way_to_ask_heeds_damage(compass, tmp_path):
    data = cut(photo())
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    for ask in (predict_angle, is_upright, correct_rotation):
        for picture in (data, path, [data]):
            with pytest.raises(ImageError, match="is damaged or incomplete"):
                ask(picture, model=compass)
            ask(picture, model=compass, strict=False)
    (tmp_path / "b").mkdir()
    for harmed, action in ((data, "turned"), (cut(encoded(crooked(30.0, 96, 128), "JPEG")), "failed")):
        (tmp_path / "b" / "a.jpg").write_bytes(harmed)
        for number, strict in enumerate((True, False)):
            folder = tmp_path / f"{action}{number}"
            (told,) = correct_files(
                tmp_path / "b", folder, model=compass, right_angles=action == "turned", min_confidence=0, strict=strict
            )
            assert told.action == ("failed" if strict else action), told
            assert "damaged" in (told.error or "damaged")
            assert (folder / "a.jpg").exists() == (told.action != "failed")
            assert (tmp_path / "b" / "a.jpg").read_bytes() == harmed
    for ask in (predict_files, check_files):
        (told,) = ask([path], model=compass)
        assert "is damaged or incomplete" in told.error
        (told,) = ask([path], model=compass, strict=False)
        assert told.error is None


@pytest.mark.parametrize(
    "command",
    [
        ["predict"],
        ["predict", "-o", "tables"],
        ["check", "--tolerance", "179"],
        ["correct", "-o", "out", "--right-angles", "--min-confidence", "0"],
        ["correct", "-o", "out", "--right-angles", "--min-confidence", "0", "--preview", "page.html"],
    ],
)
def test_commands_are_lenient_on_request(command, tmp_path, capsys, monkeypatch):
    from rotnet.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(cut(photo()))
    model = str(compass_onnx(tmp_path / "compass.onnx"))
    asked = [*command, str(tmp_path / "a.jpg"), "--model", model]
    if "tables" in command:
        pytest.importorskip("pyarrow")
        assert main(asked) == 0 and "1 failed" in capsys.readouterr().out
        asked[2] = "others"
        assert main([*asked, "--lenient"]) == 0 and "failed" not in capsys.readouterr().out
        return
    assert main(asked) == 1 and "is damaged or incomplete" in "".join(capsys.readouterr())
    assert main([*asked, "--lenient"]) == 0


@pytest.mark.parametrize("strict", [True, False])
def test_a_data_set_leaves_damaged_pictures_out(strict, tmp_path):
    from rotnet.datasets.prepare import Settings, prepare

    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"{number}.jpg").write_bytes(cut(photo(quality=90 - number)))
    rows = prepare(tmp_path / "in", tmp_path / "out", Settings(distance=None, strict=strict))
    assert sum(bool(row.split) for row in rows) == (0 if strict else 4)


# Every kind of picture, every function --------------------------------------------------------------------------------

MODES = {
    "JPEG": ["L", "RGB", "CMYK"],
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["1", "L", "P", "RGB"],
    "GIF": ["L", "P"],
    "PPM": ["1", "L", "RGB", "I;16"],
    "JPEG2000": ["L", "RGB", "RGBA", "I;16"],
    "AVIF": ["RGB", "RGBA"],
    "QOI": ["RGB", "RGBA"],
}


def in_mode(mode):
    gray = smooth(48, 64)[:, :, 1]
    if mode in ("I;16", "I", "F"):
        return Image.fromarray(gray.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))
    return Image.fromarray(smooth(48, 64)).convert(mode)


@pytest.mark.parametrize("format, mode", [(format, mode) for format, modes in MODES.items() for mode in modes])
def test_every_kind_of_picture_goes_through_every_function(format, mode, compass):
    data = encoded(in_mode(mode), format)
    for source in (data, io.BytesIO(data), Image.open(io.BytesIO(data)), reading.open_pil(data), in_mode(mode)):
        assert reading.read_image(source).shape == (48, 64, 3)
        assert 0 <= predict_angle(source, model=compass).angle < 360
        assert is_upright(source, model=compass) in (True, False)
        assert correct_rotation(source, model=compass, min_confidence=0).size
        assert correct_rotation([source], model=compass, min_confidence=0.0)[0].size


# The further pictures of a file ---------------------------------------------------------------------------------------


def test_further_pictures_of_equal_length_learn_their_own():
    lengths = (
        b'<i Item:Semantic="Primary" Item:Length="0"/>' + 2 * b'<i Item:Length="LLLLL"/>' + b'<v Item:Length="77"/>'
    )
    small = [Image.fromarray(PICTURE[::2, ::2]), Image.fromarray(PICTURE[::2, ::2])]
    plain = encoded(PICTURE, "MPO", save_all=True, append_images=small)
    size = len(jpeg.split_jpegs(plain)[1])
    # Pillow counts the length of the third from the start
    plain = plain.replace(struct.pack("<I", len(plain) - size), struct.pack("<I", size), 1)
    packet = b"http://ns.adobe.com/xap/1.0/\0" + lengths.replace(b"LLLLL", b"%05d" % size)
    parts = jpeg.split_jpegs(plain)
    assert len(parts[1]) == len(parts[2]) == size
    head = b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet
    original = [parts[0][:2] + head + parts[0][2:], *parts[1:]]
    joined = jpeg.join_jpegs([original[0], parts[1] + b"1", parts[2] + b"22"], original)
    for told in (b'Length="%d"' % (size + 1), b'Length="%d"' % (size + 2), b'Length="77"', b'Length="0"'):
        assert joined.count(told) == 1, told
    assert [len(part) for part in jpeg.split_jpegs(joined)[1:]] == [size + 1, size + 2]
