"""Turning one picture file: pixels upright, everything else as it was, or one sentence why not."""

import io
import random
import struct
import warnings
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pictures import COLORS, encoded, exif_with, smooth
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin, TiffTags

from rotnet.errors import ImageError, UsageError
from rotnet.images import reading
from rotnet.images.original import encode_like, open_original
from rotnet.images.turn_file import turn_bytes

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">'
    b"Hall</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)
PICTURE = smooth(96, 128)


def photo(format="JPEG", picture=PICTURE, orientation=6, **options):
    """A picture with EXIF (GPS, dates, a maker's note, sizes), XMP, ICC profile and resolution."""
    exif = exif_with(orientation)
    exif[0x8769] = {0x9003: "2020:01:02 03:04:05", 0x927C: b"maker\0" * 9, 0xA002: 128, 0xA003: 96}
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 1.5), 3: "E", 4: (8.0, 32.0, 0.5)}
    if format in ("JPEG", "WEBP", "AVIF", "HEIF"):
        options = {"xmp": XMP, **options}
    return encoded(picture, format, **{"exif": exif.tobytes(), "icc_profile": ICC, "dpi": (300, 300), **options})


def opened(data):
    return Image.open(io.BytesIO(data))


def shown(data):
    return reading.read_image(data).astype(int)


# What an independent reader finds -------------------------------------------------------------------------------------

PUT_RIGHT = {
    "Exif.Image.Orientation",
    "Exif.Photo.PixelXDimension",
    "Exif.Photo.PixelYDimension",
    "Exif.Image.ExifTag",
    "Exif.Image.GPSTag",
    "Xmp.tiff.Orientation",
}
LAYOUT = {f"Exif.Image.{name}" for name in ("ImageWidth", "ImageLength", "StripOffsets", "StripByteCounts")}
LAYOUT |= {"Exif.Image.RowsPerStrip", "Exif.Image.PlanarConfiguration", "Exif.Image.SamplesPerPixel"}


def metadata(data):
    # there are wheels for most machines, not for all
    pyexiv2 = pytest.importorskip("pyexiv2")
    pyexiv2.set_log_level(4)
    with pyexiv2.ImageData(data) as image:
        return {**image.read_exif(), **image.read_iptc(), **image.read_xmp(), "ICC": image.read_icc()}


@pytest.mark.parametrize("angle, how", [(17.0, "resampled"), (90.3, "exif"), (180.0, "pixels")])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_metadata_survive(format, angle, how):
    data = photo(format)
    turned, done = turn_bytes(data, angle, quarter_turns=how if how in ("exif", "pixels") else "auto")
    before, after = metadata(data), metadata(turned)
    assert done == how
    assert len(before) > 12 and before["ICC"]
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert changed <= PUT_RIGHT | (LAYOUT if format == "TIFF" else set())
    if how == "exif":
        assert after["Exif.Image.Orientation"] == "3"  # after 6, one quarter turn clockwise
    else:
        width, height = opened(turned).size
        assert after["Exif.Image.Orientation"] == "1" and after.get("Xmp.tiff.Orientation", "1") == "1"
        assert (after["Exif.Photo.PixelXDimension"], after["Exif.Photo.PixelYDimension"]) == (str(width), str(height))
    assert opened(turned).info.get("dpi") == opened(data).info.get("dpi")


@pytest.mark.parametrize("format, extra", [("AVIF", {}), ("HEIF", {})])
def test_metadata_survive_in_new_formats(format, extra):
    if format not in reading.readable_formats():
        pytest.skip("not installed")
    data = photo(format, orientation=1, quality=60)
    turned, _ = turn_bytes(data, 180.0)
    before, after = opened(data), opened(turned)
    assert after.getexif().get_ifd(0x8825) == before.getexif().get_ifd(0x8825) != {}
    assert after.getexif().get_ifd(0x8769)[0x927C] == b"maker\0" * 9
    assert after.info["icc_profile"] == ICC and b"Hall" in after.info["xmp"]
    assert np.abs(shown(turned) - shown(data)[::-1, ::-1]).mean() < 2
    assert 0.7 < len(turned) / len(data) < 1.4


@pytest.mark.parametrize("orientation", [None, 6])
@pytest.mark.parametrize("angle", [17.0, 90.0, 180.0])
def test_exif_that_goes_on_in_a_second_segment(orientation, angle):
    note = np.random.default_rng(0).bytes(100_000)
    exif = Image.Exif()
    exif[0x8769] = {0x927C: note}
    if orientation:
        exif[0x0112] = orientation
    block = exif.tobytes()[6:]
    plain = encoded(PICTURE, "JPEG")
    segments = b""
    for start in range(0, len(block), 65527):
        part = b"Exif\0\0" + block[start : start + 65527]
        segments += b"\xff\xe1" + (len(part) + 2).to_bytes(2, "big") + part
    data = plain[:2] + segments + plain[2:]
    assert opened(data).getexif().get_ifd(0x8769)[0x927C] == note
    turned, how = turn_bytes(data, angle, quarter_turns="auto")
    found = opened(turned).getexif()
    assert found.get_ifd(0x8769)[0x927C] == note
    # a new tag would lie in the second segment, where many programs do not look
    assert how == ("resampled" if angle == 17.0 else "exif" if orientation else "pixels")
    if how == "resampled":
        assert found.get(0x0112, 1) == 1
    else:
        seen = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert np.abs(shown(turned) - np.rot90(shown(data), -round(angle / 90))).mean() < 1
        np.testing.assert_array_equal(seen.shape, shown(turned).shape)


def test_blocks_of_a_jpeg_that_nobody_here_knows_are_kept():
    data = photo(comment=b"by hand")
    unknown = b"\xff\xeb\0\x0aANYTHING"
    data = data[:2] + unknown + data[2:] + b"video behind the end"
    for angle in (17.0, 90.0):
        turned, _ = turn_bytes(data, angle)
        assert unknown in turned and turned.endswith(b"video behind the end")
        assert opened(turned).info["comment"] == b"by hand"


@pytest.mark.parametrize("compressed", [False, True])
def test_png_with_exif_in_the_old_way_gets_it_in_the_new_one(compressed):
    exif = exif_with(6).tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n", zip=compressed)
    data = encoded(PICTURE, pnginfo=text)
    for quarter_turns, expected in (("exif", 3), ("pixels", 1)):
        turned, _ = turn_bytes(data, 90.0, quarter_turns=quarter_turns)
        np.testing.assert_array_equal(shown(turned), np.rot90(shown(data), -1))
        assert opened(turned).getexif()[0x0112] == expected and opened(turned).getexif()[0x010F] == "Maker"
        assert b"Raw profile" not in turned


def test_thumbnail_is_made_anew():
    small = encoded(smooth(48, 64), "JPEG")
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 1, 0, 26)
    exif += struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(small), 0) + small
    turned, _ = turn_bytes(encoded(PICTURE, "JPEG", exif=exif), 17.0)
    directory = opened(turned).getexif().get_ifd(ExifTags.IFD.IFD1)
    raw = opened(turned).info["exif"][6:]
    thumbnail = raw[directory[0x0201] : directory[0x0201] + directory[0x0202]]
    assert thumbnail != small
    expected = reading.read_image(opened(turned).resize(opened(thumbnail).size)).astype(int)
    assert np.abs(shown(thumbnail) - expected).mean() < 6


# Quarter turns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_the_tag_turns_as_pixels_do(format, orientation, quarters):
    exif = exif_with(orientation, make=None) if orientation else None
    data = encoded(PICTURE, format, **({"exif": exif} if exif else {}))
    turned, how = turn_bytes(data, 90.0 * quarters + 1.0, quarter_turns="exif")
    assert how == "exif"
    np.testing.assert_array_equal(shown(turned), np.rot90(shown(data), -quarters))
    assert stored(turned) == stored(data)


def stored(data):
    """The pixels as they lie in the file, or the bytes of them in a TIFF, which Pillow turns as it reads."""
    picture = opened(data)
    if picture.format != "TIFF":
        return picture.tobytes()
    strips = zip(
        picture.tag_v2[TiffImagePlugin.STRIPOFFSETS], picture.tag_v2[TiffImagePlugin.STRIPBYTECOUNTS], strict=True
    )
    return b"".join(data[start : start + length] for start, length in strips)


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]


def in_mode(mode):
    if mode == "I;16":
        return Image.fromarray(PICTURE[:, :, 0].astype(np.uint16) * 250 + 3)
    picture = Image.fromarray(PICTURE)
    if mode in ("LA", "RGBA"):
        picture.putalpha(Image.fromarray(PICTURE[:, :, 2]))
    return picture.convert(mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_pixels_of_a_quarter_turn_are_the_same(format, mode):
    picture = in_mode(mode)
    turned, how = turn_bytes(encoded(picture, format), 270.0, quarter_turns="pixels")
    assert how == "pixels" and opened(turned).mode == mode
    np.testing.assert_array_equal(np.asarray(opened(turned)), np.rot90(np.asarray(picture)))


def test_auto_takes_the_tag_where_viewers_heed_it():
    expected = {"JPEG": "exif", "TIFF": "exif", "WEBP": "exif", "PNG": "pixels", "BMP": "pixels", "GIF": "pixels"}
    assert {format: turn_bytes(encoded(PICTURE, format), 92.9)[1] for format in expected} == expected
    assert turn_bytes(encoded(PICTURE, "WEBP", lossless=True), 90.0)[1] == "pixels", "where nothing is lost either"
    assert turn_bytes(encoded(PICTURE, "JPEG"), 93.1)[1] == "resampled"
    assert turn_bytes(encoded(PICTURE, "JPEG"), 95.0, tolerance=5.0)[1] == "exif"
    assert turn_bytes(encoded(PICTURE, "JPEG"), 91.0, quarter_turns="off")[1] == "resampled"
    data = encoded(PICTURE, "JPEG")
    assert turn_bytes(data, 359.0) == (data, "copy")
    assert turn_bytes(data, 2.5)[1] == turn_bytes(data, 357.5)[1] == "resampled"  # no quarter turn is to be had
    with pytest.raises(ImageError, match="BMP, which has no orientation tag"):
        turn_bytes(encoded(PICTURE, "BMP"), 90.0, quarter_turns="exif")


# Other angles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, options",
    [
        ("L", {}),
        ("CMYK", {"progressive": True}),
        ("RGB", {"subsampling": 0}),
        ("RGB", {"subsampling": 1}),
        ("RGB", {"subsampling": 2, "progressive": True}),
        ("RGB", {"qtables": [[7] * 64], "subsampling": 0}),
    ],
)
def test_jpeg_keeps_its_tables_and_subsampling(mode, options):
    data = encoded(Image.fromarray(PICTURE).convert(mode), "JPEG", **options)
    before, after = opened(data), opened(turn_bytes(data, 17.0)[0])
    assert after.mode == mode and after.quantization == before.quantization
    assert [part[1:3] for part in after.layer] == [part[1:3] for part in before.layer]
    assert after.info.get("progressive") == before.info.get("progressive")


def test_the_noisiest_progressive_jpeg_is_written():
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    data = encoded(noise, "JPEG", quality=98, subsampling=0)
    options = {"qtables": [[1] * 64], "subsampling": 0, "progressive": True}
    original = replace(open_original(data, "a.jpg", None), options=options)
    np.testing.assert_allclose(shown(encode_like(original, original.picture)), shown(data), atol=9)


def test_jpeg_stored_as_rgb_stays_so():
    data = encoded(PICTURE, "JPEG", keep_rgb=True, quality=95)
    turned, _ = turn_bytes(data, 180.0, quarter_turns="pixels")
    assert [part[0] for part in opened(turned).layer] == [82, 71, 66]
    assert np.abs(shown(turned) - shown(data)[::-1, ::-1]).max() < 4


@pytest.mark.parametrize("quality", [30, 75, 90])
def test_webp_keeps_its_quality(quality):
    noise = np.random.default_rng(0).integers(-20, 20, PICTURE.shape)
    data = encoded(np.clip(PICTURE + noise, 0, 255).astype(np.uint8), "WEBP", quality=quality)
    assert 0.75 < len(turn_bytes(data, 180.0, quarter_turns="pixels")[0]) / len(data) < 1.35


def test_lossless_webp_stays_lossless():
    data = encoded(in_mode("RGBA"), "WEBP", lossless=True, exact=True)
    turned, _ = turn_bytes(data, 90.0, quarter_turns="pixels")
    np.testing.assert_array_equal(np.asarray(opened(turned)), np.rot90(np.asarray(in_mode("RGBA")), -1))


def deep(channels, alpha=50_000):
    levels = np.repeat(PICTURE[:, :, :1].astype(np.uint16) * 257, channels, axis=2)
    levels += np.arange(128, dtype=np.uint16)[:, None]  # what 8 bits cannot hold
    if channels == 4:
        levels[:, :, 3] = alpha
    return levels


def deep_file(levels, extension):
    cv2 = pytest.importorskip("cv2")
    return cv2.imencode(extension, levels[:, :, [2, 1, 0, 3][: levels.shape[2]]])[1].tobytes()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_of_colour_stay(extension, channels):
    import cv2

    levels = deep(channels)
    data = deep_file(levels, extension)
    for angle in (90.0, 17.0):
        turned, _ = turn_bytes(data, angle, quarter_turns="pixels", crop="same")
        back = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_UNCHANGED)
        back = back[:, :, [2, 1, 0, 3][:channels]]
        assert back.dtype == np.uint16
        middle = tuple(back[back.shape[0] // 2, back.shape[1] // 2])
        expected = levels[48, 64]
        np.testing.assert_allclose(np.array(middle, int), expected.astype(int), atol=700)
    assert len(np.unique(back[:, :, 0] & 255)) > 100


def test_depth_that_cannot_be_kept_is_refused():
    ppm = b"P6 4 4 65535\n" + bytes(96)
    with pytest.raises(ImageError, match="has 16 bits a channel, which cannot be kept in PPM RGB"):
        turn_bytes(ppm, 17.0)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_colour_that_means_clear_leaves_no_seam(mode):
    picture = Image.new(mode, (64, 64), 0 if mode == "L" else (0, 0, 0))
    picture.paste(255 if mode == "L" else (255, 0, 0), (16, 16, 48, 48))
    data = encoded(picture, transparency=0 if mode == "L" else (0, 0, 0))
    turned = np.asarray(opened(turn_bytes(data, 30.0)[0]).convert("RGBA")).astype(int)
    seam = turned[(turned[:, :, 3] > 60) & (turned[:, :, 3] < 250)]
    assert len(seam) and (seam[:, 0] > 240).all()


def test_there_and_back_is_nearly_the_same():
    data = encoded(PICTURE, "PNG")
    back = turn_bytes(turn_bytes(data, 7.0, crop="expand")[0], -7.0, crop="expand")[0]
    before, after = shown(data), shown(back)
    top, left = ((a - b) // 2 for a, b in zip(after.shape, before.shape[:2], strict=False))
    inner = after[top + 8 : top + 88, left + 8 : left + 120]
    assert np.abs(inner - before[8:88, 8:120]).mean() < 2


@pytest.mark.parametrize("fill", [255, (255, 255, 255)])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_fill_is_the_same_shade_in_every_depth(mode, fill):
    corner = np.asarray(opened(turn_bytes(encoded(in_mode(mode)), 30.0, crop="expand", fill=fill)[0]))[1, 1]
    assert (corner == (65535 if mode == "I;16" else 255)).all()


# Several pictures in one file -----------------------------------------------------------------------------------------


def multi_picture():
    further = Image.fromarray(PICTURE).resize((64, 48))
    return encoded(PICTURE, "MPO", save_all=True, append_images=[further], quality=95)


@pytest.mark.parametrize("angle, options", [(90.0, {}), (90.0, {"quarter_turns": "pixels"}), (17.0, {})])
def test_every_picture_of_a_jpeg_is_turned(angle, options):
    data = multi_picture()
    turned, how = turn_bytes(data, angle, **options)
    picture, before = opened(turned), opened(data)
    assert picture.format == "MPO" and picture.n_frames == 2
    first = Image.fromarray(reading.read_image(picture))
    picture.seek(1)
    before.seek(1)
    if how == "exif":  # further pictures are shown as the first one says
        assert first.size == (96, 128) and picture.tobytes() == before.tobytes()
        return
    second = picture.convert("RGB")
    assert second.size != before.size and abs(first.width / first.height - second.width / second.height) < 0.05
    assert np.abs(np.asarray(second, int) - np.asarray(first.resize(second.size), int)).mean() < 3


def lossless_jpeg(side=64):
    """A gray picture in the lossless mode of JPEG: each pixel as predicted, which takes a bit."""
    size = side.to_bytes(2, "big")
    frame = b"\xff\xc3" + bytes([0, 11, 8]) + 2 * size + bytes([1, 1, 0x11, 0])
    code = b"\xff\xc4" + bytes([0, 20, 0, 1, *15 * [0], 0])
    scan = b"\xff\xda" + bytes([0, 8, 1, 1, 0, 1, 0, 0])
    return b"\xff\xd8" + frame + code + scan + bytes(side * side // 8) + b"\xff\xd9"


def test_lossless_jpeg_is_read_and_not_made_lossy():
    data = lossless_jpeg()
    assert (reading.read_image(data, short_side=8) == 128).all()
    for angle in (30.0, 90.0):
        with pytest.raises(ImageError, match="a lossless JPEG, which could not be saved as one"):
            turn_bytes(data, angle)
    # nor does one that pretends to have tables bring the decoder to write beyond its buffer
    table = b"\xff\xdb" + bytes([0, 67, 0, *64 * [1]])
    turned, _ = turn_bytes(data[:2] + table + data[2:], 30.0)
    assert abs(shown(turned) - 128).max() <= 2


def test_index_that_outlived_its_pictures_is_no_damage():
    image, further = Image.fromarray(PICTURE), Image.fromarray(PICTURE[::2, ::2])
    data = encoded(image, "MPO", save_all=True, append_images=[further])
    cut = data[: data.index(b"\xff\xd8\xff", 4)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow tells of it
        for angle, how in ((90.0, "exif"), (30.0, "resampled")):
            turned, done = turn_bytes(cut, angle)
            expected = reading.read_image(turn_bytes(data, angle)[0])
            assert done == how and reading.read_image(turned).shape == expected.shape


@pytest.mark.parametrize(
    ("samples", "tags"),
    [(3, {37724: b"layers"}), (3, {33550: (1.0, 1.0, 0.0)}), (3, {33922: 6 * (0.0,)})],
    ids=["layers", "scale", "tie points"],
)
def test_what_would_be_false_afterwards_is_refused(samples, tags):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[tag] = value
        info.tagtype[tag] = TiffTags.UNDEFINED if isinstance(value, bytes) else TiffTags.DOUBLE
    data = encoded(PICTURE, "TIFF", tiffinfo=info)
    assert turn_bytes(data, 90.0)[1] == "exif"
    with pytest.raises(ImageError, match="would be those of the picture as it was"):
        turn_bytes(data, 30.0)


def tiff(bits, photometric, pixels, samples=1):
    """A TIFF of 4 by 4 pixels, written tag by tag."""
    values = {256: 4, 257: 4, 259: 1, 262: photometric, 273: 8, 277: samples, 278: 4, 279: len(pixels)}
    values |= {338: 0} if samples == 4 else {}  # the fourth is not alpha
    tags = [(number, 4, 1, value.to_bytes(4, "little")) for number, value in values.items()]
    depths = struct.pack("<4H", *(4 * [bits]))
    at = 8 + len(pixels)
    tags.append((258, 3, samples, depths[:2] + bytes(2) if samples == 1 else at.to_bytes(4, "little")))
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHI4s", *tag) for tag in sorted(tags)) + bytes(4)
    return b"II*\0" + struct.pack("<I", at + len(depths)) + pixels + depths + directory


def test_kinds_of_tiff_that_are_read_in_part_or_wrongly_are_refused():
    gray = np.full((4, 4), 1000, "<u2").tobytes()
    assert shown(tiff(16, 1, gray)).max() < 10
    for data in (tiff(16, 0, gray), tiff(12, 1, bytes(24))):
        with pytest.raises(ImageError, match="a kind of TIFF that is not read"):
            turn_bytes(data, 30.0)
    infrared = tiff(8, 2, bytes(range(64)), samples=4)
    with pytest.raises(ImageError, match="has 4 channels, not all of which are read"):
        turn_bytes(infrared, 30.0)


@pytest.mark.parametrize("header", [b"P6\n4 4\n65535\n", b"P6\n# scanned\n4 4\n65535\n", b"P6\n4 4 # x\n65535\n"])
def test_depth_of_a_pixmap_is_found_behind_comments(header):
    with pytest.raises(ImageError, match="16 bits a channel, which cannot be kept"):
        turn_bytes(header + bytes(96), 30.0)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("angle", [90.0, 30.0])
def test_the_level_that_means_clear_keeps_doing_so(bits, angle):
    picture = Image.new("P", (32, 24), 1)  # a gray PNG of few bits is one of a palette but for its header
    picture.paste(0, (8, 4, 24, 20))
    picture.putpalette([0, 0, 0, 255, 255, 255])
    chunks = bytearray(encoded(picture, "PNG", bits=bits))
    chunks[25] = 0  # gray
    chunks[29:33] = struct.pack(">I", zlib.crc32(chunks[12:29]))
    body = bytes([0, 0, 0, 2]) + b"tRNS" + bytes([0, 1])
    start = chunks.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(chunks[start : start + 4], "big")
    data = bytes(chunks[:start]) + body + struct.pack(">I", zlib.crc32(body[4:])) + bytes(chunks[end:])
    turned = reading.open_pil(turn_bytes(data, angle, quarter_turns="pixels")[0]).convert("RGBA")
    alpha = np.asarray(turned)[:, :, 3]
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] == 255 and alpha[0, 0] == 0


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(format):
    frames = [Image.fromarray(PICTURE), Image.fromarray(PICTURE[::-1].copy())]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="several pages" if format == "TIFF" else "is an animation"):
        turn_bytes(data, 90.0)


# Bad input ------------------------------------------------------------------------------------------------------------


def nan_tiff():
    levels = np.full((8, 8), 0.5, np.float32)
    levels[3, 3] = np.nan
    return encoded(levels, "TIFF")


BAD = {
    "empty": (b"", "is empty"),
    "text": (b"Dear diary, " * 99, "not a picture of a known format"),
    "cut": (photo()[:-400], "damaged or incomplete|cannot be decoded"),
    "cut, with an end": (photo()[:-400] + b"\xff\xd9", "damaged or incomplete"),
    "cut PNG": (photo("PNG")[:-400], "cannot be decoded"),
    "cut WebP": (photo("WEBP")[:-90], "cannot be decoded"),
    "NaN": (nan_tiff(), "holds NaN or infinity"),
    "too long": (encoded(np.zeros((1, 40_000), np.uint8)), "cannot be turned"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_gets_one_sentence(kind):
    data, reason = BAD[kind]
    with pytest.raises(ImageError, match=reason) as caught:
        turn_bytes(data, 17.0, name="a.jpg")
    assert "a.jpg" in str(caught.value) and "\n" not in str(caught.value)


def test_limit_of_pixels():
    with pytest.raises(ImageError, match="more than max_pixels=100"):
        turn_bytes(photo(), 17.0, max_pixels=100)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (3, 5000, 3), (5000, 3, 3)])
@pytest.mark.parametrize("angle", [17.0, 90.0])
def test_odd_shapes(shape, angle):
    for format in ("PNG", "JPEG"):
        turned, _ = turn_bytes(encoded(np.full(shape, 90, np.uint8), format), angle)
        assert np.abs(shown(turned) - 90).max() <= 1


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"MM\0*" * 9])
@pytest.mark.filterwarnings("default")
def test_damaged_exif_is_kept_as_it_is(exif):
    turned, _ = turn_bytes(encoded(PICTURE, "JPEG", exif=exif), 17.0)
    assert exif in turned


@pytest.mark.parametrize("option", [{"crop": "x"}, {"fill": "red"}, {"quarter_turns": "x"}, {"tolerance": 50.0}])
def test_bad_options(option):
    with pytest.raises(UsageError, match=next(iter(option))):
        turn_bytes(photo(), 17.0, **option)
    with pytest.raises(UsageError, match="angle"):
        turn_bytes(photo(), float("nan"))


FUZZED = {
    "JPEG": lambda: photo(picture=PICTURE[:32, :32]),
    "progressive": lambda: photo(picture=PICTURE[:32, :32], progressive=True),
    "MPO": multi_picture,
    "PNG": lambda: photo("PNG", PICTURE[:16, :16]),
    "TIFF": lambda: photo("TIFF", PICTURE[:16, :16]),
    "WEBP": lambda: photo("WEBP", PICTURE[:16, :16]),
    "BMP": lambda: encoded(COLORS, "BMP"),
    "GIF": lambda: encoded(COLORS, "GIF"),
}


@pytest.mark.parametrize("kind", FUZZED)
def test_mutated_bytes_give_a_whole_picture_or_one_sentence(kind):
    chance, whole = random.Random(kind), FUZZED[kind]()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.15:
                del data[at : at + chance.randint(1, 40)]
            elif chance.random() < 0.5:
                data[at] = chance.choice((0, 1, 127, 255))
            else:
                data[at] ^= 1 << chance.randrange(8)
        options = {"quarter_turns": chance.choice(("auto", "pixels", "off")), "max_pixels": 10**6}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                turned, _ = turn_bytes(bytes(data), chance.choice((17.0, 90.0, 181.0)), **options)
            except ImageError as error:
                assert str(error) and "\n" not in str(error)
            else:
                assert reading.read_image(turned, max_pixels=2 * 10**6).size


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("damage", ["no next directory", "a tag outside the file"])
def test_the_tag_turns_what_viewers_show_of_faulty_exif(damage, orientation, quarters):
    tags = [struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0)]
    if damage == "a tag outside the file":
        tags.append(struct.pack("<HHII", 0x131, 2, 50, 5000) + bytes(4))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(tags)
    data = encoded(PICTURE, "JPEG", exif=exif)
    turned, how = turn_bytes(data, 90.0 * quarters)
    assert how == "exif"
    np.testing.assert_array_equal(reading.read_image(turned), np.rot90(reading.read_image(data), -quarters))


def test_sixteen_bits_of_a_graymap_stay():
    levels = np.arange(24, dtype=">u2").reshape(4, 6) * 2000
    turned, _ = turn_bytes(b"P5 6 4 65535\n" + levels.tobytes(), 90.0)
    assert turned.split(maxsplit=4)[3] == b"65535"
