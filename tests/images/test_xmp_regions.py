"""Faces and other places that XMP and EXIF name go along with the pixels, and nothing else of a packet changes."""

import io
import logging
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rotnet.geometry.regions import Move
from rotnet.images.formats import jpeg
from rotnet.images.formats.ifd import read_directory, remove_tag
from rotnet.images.formats.xmp_regions import moved_regions
from rotnet.images.formats.xmp_tree import edited, parse
from rotnet.images.reading import open_pil
from rotnet.images.turn_file import turn_bytes
from rotnet.images.turning import turn_back

SPACES = """xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
 xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" xmlns:MP="http://ns.microsoft.com/photo/1.2/"
 xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:exif="http://ns.adobe.com/exif/1.0/\""""
RECTANGLE = ("rbX", "rbY", "rbW", "rbH")
FACE = (0.35, 0.3, 0.3, 0.2)  # centre and sides


def packet(content):
    start = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    end = "</rdf:Description></rdf:RDF></x:xmpmeta>\n" + 400 * " " + '<?xpacket end="w"?>'
    return f'{start}{SPACES}>\n<rdf:Description rdf:about="">{content}{end}'.encode()


def as_attributes(x, y, w, h):
    return (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="400" stDim:h="300" '
        "stDim:unit='pixel'/><mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name='A &amp; B' "
        f"mwg-rs:Type=\"Face\"><mwg-rs:Area stArea:x='{x}' stArea:y = \"{y}\" stArea:w='{w}' stArea:h='{h}' "
        "stArea:unit='normalized'/></rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


def as_elements(x, y, w, h):
    return (
        "<mwg-rs:Regions><rdf:Description><mwg-rs:AppliedToDimensions rdf:parseType='Resource'><stDim:w>400</stDim:w>"
        "<stDim:h>300</stDim:h><stDim:unit>pixel</stDim:unit></mwg-rs:AppliedToDimensions><mwg-rs:RegionList><rdf:Bag>"
        "<rdf:li rdf:parseType='Resource'><mwg-rs:Area rdf:parseType='Resource'>"
        f"<stArea:x>{x}</stArea:x><stArea:y>{y}</stArea:y><stArea:w>{w}</stArea:w><stArea:h>{h}</stArea:h>"
        "<stArea:unit>normalized</stArea:unit></mwg-rs:Area><mwg-rs:Name>A &amp; B</mwg-rs:Name></rdf:li></rdf:Bag>"
        "</mwg-rs:RegionList></rdf:Description></mwg-rs:Regions>"
    )


def as_people(x, y, w, h):
    return (
        "<MP:RegionInfo rdf:parseType='Resource'><MPRI:Regions><rdf:Bag><rdf:li MPReg:PersonDisplayName='A &amp; B' "
        f"MPReg:Rectangle='{x - w / 2:g}, {y - h / 2:g}, {w}, {h}'/></rdf:Bag></MPRI:Regions></MP:RegionInfo>"
    )


def as_iptc(x, y, w, h, unit="relative"):
    wide, high = (400, 300) if unit == "pixel" else (1, 1)
    return (
        "<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType='Resource'><Iptc4xmpExt:RegionBoundary "
        f"Iptc4xmpExt:rbShape='rectangle' Iptc4xmpExt:rbUnit='{unit}' Iptc4xmpExt:rbX='{(x - w / 2) * wide:g}' "
        f"Iptc4xmpExt:rbY='{(y - h / 2) * high:g}' Iptc4xmpExt:rbW='{w * wide:g}' Iptc4xmpExt:rbH='{h * high:g}'/>"
        "</rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"
    )


def as_subject(x, y, w, h):
    values = "".join(f"<rdf:li>{round(one)}</rdf:li>" for one in (x * 400, y * 300, w * 400, h * 300))
    return f"<exif:SubjectArea><rdf:Seq>{values}</rdf:Seq></exif:SubjectArea>"


WAYS = [as_attributes, as_elements, as_people, as_iptc, as_subject]
QUARTER = Move.oriented((400, 300), 1).turned_back(90.0, (300, 400))
TILT = Move.oriented((400, 300), 1).turned_back(20.0, (356, 189))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_a_region_is_moved_and_every_other_byte_kept(way):
    before = packet("<dc:title>T &#x41;</dc:title><!-- a remark -->" + way(*FACE))
    moved = moved_regions(before, QUARTER)
    if way is as_subject:
        expected = way(0.525, 0.4666666, 0.15, 0.4)  # of 400 x 300: 210, 140, 60, 120
    else:
        expected = way(0.7, 0.35, 0.2, 0.3)
    expected = expected.replace("'400'", "'300'").replace('stDim:w="400" stDim:h="300"', 'stDim:w="300" stDim:h="400"')
    expected = expected.replace("<stDim:w>400</stDim:w><stDim:h>300<", "<stDim:w>300</stDim:w><stDim:h>400<")
    whole = packet("<dc:title>T &#x41;</dc:title><!-- a remark -->" + expected)
    assert moved.split() == whole.split()
    assert len(moved) == len(before), "the room at the end takes up what grows"


@pytest.mark.parametrize("way", WAYS)
def test_four_quarter_turns_give_back_the_same_bytes(way):
    packets, size = [packet(way(*FACE))], (400, 300)
    for _ in range(4):
        packets.append(moved_regions(packets[-1], Move.oriented(size, 1).turned_back(90.0, size[::-1])))
        size = size[::-1]
    assert packets[4] == packets[0] != packets[1]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_cut_off_leaves_the_list(way):
    moved = moved_regions(packet(way(0.02, 0.02, 0.02, 0.02)), TILT)
    assert b"A &amp; B" not in moved and b"rbX" not in moved and b"SubjectArea" not in moved
    parse(moved)


def test_pixels_and_a_rotation_of_its_own():
    moved = moved_regions(packet(as_iptc(*FACE, unit="pixel")), QUARTER)
    values = [leaf.text for one in parse(moved).all() for name, leaf in one.attributes.items() if name[1] in RECTANGLE]
    assert values == ["180", "80", "60", "120"]
    turned = as_attributes(*FACE).replace("mwg-rs:Type", 'mwg-rs:Rotation="0.3" mwg-rs:Type')
    assert b'mwg-rs:Rotation="0"' in moved_regions(packet(turned), TILT)
    assert b'mwg-rs:Rotation="0.3"' in moved_regions(packet(turned), QUARTER)


def polygon(*vertices):
    listed = "".join(
        f"<rdf:li><rdf:Description Iptc4xmpExt:rbX='{x}' Iptc4xmpExt:rbY='{y}'/></rdf:li>" for x, y in vertices
    )
    return (
        "<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType='Resource'><Iptc4xmpExt:RegionBoundary "
        "rdf:parseType='Resource'><Iptc4xmpExt:rbShape>polygon</Iptc4xmpExt:rbShape><Iptc4xmpExt:rbUnit>relative"
        f"</Iptc4xmpExt:rbUnit><Iptc4xmpExt:rbVertices><rdf:Seq>{listed}</rdf:Seq></Iptc4xmpExt:rbVertices>"
        "</Iptc4xmpExt:RegionBoundary></rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"
    )


def test_a_polygon_may_get_another_number_of_vertices():
    moved = moved_regions(packet(polygon((0.2, 0.2), (0.5, 0.2), (0.5, 0.4))), TILT)
    assert moved.count(b"rbX") == 4  # one corner is cut off by an edge
    assert moved_regions(packet(polygon((0.2, 0.2), (0.5, 0.2), (0.5, 0.4))), QUARTER).split() == (
        packet(polygon((0.8, 0.2), (0.8, 0.5), (0.6, 0.5))).split()
    )


@pytest.mark.parametrize(
    "xmp, reason",
    [
        (b"<a", "damaged"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b'<!DOCTYPE lolz [<!ENTITY l "ha"><!ENTITY m "&l;&l;">]><a>&m;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<a>" * 100 + b"</a>" * 100, "in each other"),
        (b"<a>" + b"<b/>" * 60_000 + b"</a>", "elements"),
        ("<a/>".encode("utf-16"), "UTF-8"),
        (b"<a>&undeclared;</a>", "damaged"),
        (b"<?xml version='1.0' encoding='nonsense'?><a/>", "damaged"),
        (b"<a>" + bytes(17 << 20) + b"</a>", "bytes"),
        (b"", "damaged"),
    ],
)
def test_what_no_program_writes_is_refused(xmp, reason):
    with pytest.raises(ValueError, match=reason):
        parse(xmp)


@given(st.data())
def test_damaged_packets_raise_nothing_but_a_value_error(data):
    damaged = bytearray(packet(as_attributes(*FACE) + as_people(*FACE) + as_iptc(*FACE) + as_subject(*FACE)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        kind = data.draw(st.sampled_from(["byte", "cut", "twice"]))
        if kind == "byte":
            damaged[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del damaged[at : at + data.draw(st.integers(1, 40))]
        else:
            damaged[at:at] = damaged[at : at + data.draw(st.integers(1, 200))]
    try:
        moved = moved_regions(bytes(damaged), TILT)
    except ValueError:
        return
    if moved != bytes(damaged):
        parse(moved)


@given(st.data())
def test_values_that_mean_nothing_leave_a_packet_whole(data):
    whole = packet(as_attributes(*FACE) + as_people(*FACE) + as_iptc(*FACE) + as_subject(*FACE))
    values = list(re.finditer(rb"(?<=[>'\"])[0-9.,\- ]*[0-9](?=[<'\"])", whole))
    assert len(values) > 10
    odd = data.draw(st.sampled_from([b"", b"nan", b"-1", b"1e300", b"1e-320", b"inf", b"x", b"&amp;", b"0.5 0.5"]))
    value = data.draw(st.sampled_from(values))
    parse(moved_regions(whole[: value.start()] + odd + whole[value.end() :], TILT))


def test_edits_that_overlap_are_refused():
    with pytest.raises(ValueError, match="twice"):
        edited(b"<a>123</a>", [(3, 5, b""), (4, 6, b"")])


def with_xmp(xmp, exif=None):
    picture = np.full((300, 400, 3), 90, np.uint8)
    picture[60:120, 80:200] = (255, 0, 0)
    return encoded(Image.fromarray(picture), "JPEG", quality=95, xmp=xmp, **({"exif": exif} if exif else {}))


def xmp_of(data):
    return next(block.content for block in jpeg.split_blocks(data)[0] if block.role == "xmp")


@pytest.mark.parametrize("angle", [90.0, 20.0, 160.0, 271.0])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_a_face_is_still_framed(angle, orientation):
    """The red box of the turned picture and the region that was around it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned, how = turn_bytes(with_xmp(packet(as_attributes(*FACE)), exif), angle, quarter_turns="pixels")
    pixels = np.asarray(Image.open(io.BytesIO(turned))).astype(int)
    rows, columns = np.nonzero((pixels[:, :, 0] > 180) & (pixels[:, :, 1] < 70))
    if not len(rows):
        assert b"stArea:x" not in xmp_of(turned)
        return
    (area,) = [one for one in parse(xmp_of(turned)).all() if one.name[1] == "Area"]
    x, y, w, h = (float(leaf.text) for leaf in list(area.attributes.values())[:4])
    height, width = pixels.shape[:2]
    box = [columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height]
    np.testing.assert_allclose([x - w / 2, y - h / 2, x + w / 2, y + h / 2], box, atol=0.02)
    assert f'stDim:w="{width}" stDim:h="{height}"'.encode() in xmp_of(turned)


def test_a_turn_by_the_tag_moves_nothing():
    data = with_xmp(packet(as_attributes(*FACE)))
    turned, how = turn_bytes(data, 90.0)
    assert how == "exif" and xmp_of(turned) == xmp_of(data)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_other_formats_too(format):
    options = {"lossless": True} if format == "WEBP" else {}
    picture = Image.new("RGB", (400, 300))
    if format == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet(as_attributes(*FACE)).decode())
    elif format == "TIFF":
        options["tiffinfo"] = {700: packet(as_attributes(*FACE))}
    else:
        options["xmp"] = packet(as_attributes(*FACE))
    turned, _ = turn_bytes(encoded(picture, format, **options), 90.0, quarter_turns="pixels")
    assert b"stArea:x='0.7' stArea:y = \"0.35\" stArea:w='0.2' stArea:h='0.3'" in turned


def test_damaged_xmp_is_no_reason_to_leave_a_picture(caplog):
    broken = packet(as_attributes(*FACE)).replace(b"</rdf:li>", b"")
    with caplog.at_level(logging.WARNING, "rotnet"):
        turned, _ = turn_bytes(with_xmp(broken), 20.0, name="a.jpg")
    assert xmp_of(turned) == broken
    (warning,) = caplog.messages
    assert warning.startswith("a.jpg: faces and regions are left where they were, for its XMP is damaged")


def test_extended_xmp_is_left_and_told(caplog):
    note = '<xmpNote:HasExtendedXMP xmlns:xmpNote="http://ns.adobe.com/xmp/note/">AB</xmpNote:HasExtendedXMP>'
    with caplog.at_level(logging.WARNING, "rotnet"):
        turn_bytes(with_xmp(packet(note)), 20.0, name="a.jpg")
    assert "further segments" in caplog.messages[0]


def exif_with_subject(*values):
    """EXIF with a subject, and a note of the maker behind it that must stay where it is."""
    area = struct.pack(f"<{len(values)}H", *values)
    at = 8 + 2 + 12 + 4
    inner = struct.pack("<H", 2) + struct.pack("<HHI", 0x9214, 3, len(values))
    inner += (area if len(area) <= 4 else struct.pack("<I", at + 2 + 24 + 4)).ljust(4, b"\0")
    inner += struct.pack("<HHI4s", 0x927C, 7, 4, b"note") + bytes(4)
    outer = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, at) + bytes(4)
    return b"Exif\0\0" + outer + inner + (area if len(area) > 4 else b"")


@pytest.mark.parametrize(
    "values, angle, expected",
    [
        ((140, 90), 90.0, (210, 140)),
        ((140, 90, 20), 90.0, (210, 140, 20)),
        ((140, 90, 120, 60), 90.0, (210, 140, 60, 120)),
        ((140, 90, 120, 60), 180.0, (260, 210, 120, 60)),
        ((3, 3), 20.0, None),
        ((3, 3, 4, 4), 20.0, None),
    ],
)
def test_the_subject_of_exif_goes_along(values, angle, expected):
    turned, _ = turn_bytes(with_xmp(b"<a/>", exif_with_subject(*values)), angle, quarter_turns="pixels")
    exif = next(block.content for block in jpeg.split_blocks(turned)[0] if block.role == "exif")
    tags, _ = read_directory(exif, 26)
    assert (tags[0x9214].numbers("<") if 0x9214 in tags else None) == expected
    assert bytes(tags[0x927C].value) == b"note"
    again, _ = turn_bytes(with_xmp(b"<a/>", exif_with_subject(*values)), 90.0)
    assert struct.pack(f"<{len(values)}H", *values) in again, "the tag alone moves nothing"


def test_a_tag_that_is_not_there_is_not_removed():
    data = bytearray(exif_with_subject(1, 2)[6:])
    before = bytes(data)
    remove_tag(data, 26, 1)
    assert data == before


def test_pillow_images_take_their_regions_along():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = with_xmp(packet(as_attributes(*FACE)), exif)
    upright = turn_back(open_pil(data), 20.0)
    turned, _ = turn_bytes(data, 20.0)
    area = lambda xmp: next(one for one in parse(xmp).all() if one.name[1] == "Area").attributes  # noqa: E731
    values = [
        [float(leaf.text) for leaf in list(area(xmp).values())[:4]] for xmp in (upright.info["xmp"], xmp_of(turned))
    ]
    np.testing.assert_allclose(*values, atol=1e-6)


def test_a_subject_that_is_none_does_not_cost_the_other_exif():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0x9214] = 7  # one number, where two to four are the rule
    upright = open_pil(with_xmp(b"<a/>", exif))
    assert upright.getexif()[0x010F] == "Maker" and upright.getexif().get_ifd(0x8769)[0x9214] == 7
