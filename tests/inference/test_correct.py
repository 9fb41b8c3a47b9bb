"""Turning upright: what comes back is of the kind that went in, and stands."""

import io
from functools import partial

import numpy as np
import pytest
from compass import crooked
from pictures import encoded, exif_with
from PIL import Image, ImageCms

from rotnet import angle_difference, correct_rotation, is_upright, predict_angle
from rotnet.errors import ImageError, UsageError
from rotnet.files import Turning
from rotnet.geometry.warping import MAX_WARP_SIDE
from rotnet.images.turning import turn_back

# 30.25 is not decoded exactly, so that every picture goes through the warp
ANGLE = 30.25
SIZES = {
    "fit": (27, 47),
    "keep": (74, 80),
    "same": (48, 64),
    "aspect": (31, 41),
    "inscribed": (27, 47),
    "expand": (74, 80),
}


# Arrays ---------------------------------------------------------------------------------------------------------------


def as_type(image, dtype):
    """`uint8` levels in another type, on the scale that is usual for it."""
    if dtype.kind == "b":
        return image > 127
    scale = 1 / 255 if dtype.kind == "f" else 257 if dtype.kind == "u" and dtype.itemsize == 2 else 1
    return (image.astype(np.float64) * scale).astype(dtype)


@pytest.mark.parametrize("crop", ["fit", "keep", "same", "aspect"])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", ">u2", "uint32", "int16", "int64", "float16", "float32", "float64", "bool"]
)
def test_array_gives_an_array_of_its_kind(compass, dtype, channels, crop):
    dtype = np.dtype(dtype)
    gray = crooked(ANGLE)[:, :, 0]
    image = gray if channels is None else np.repeat(gray[:, :, None], channels, axis=2)
    if channels in (2, 4):
        image[..., -1] = 255
    image = as_type(image, dtype)
    before = image.copy()
    upright = correct_rotation(image, model=compass, crop=crop)
    np.testing.assert_array_equal(image, before)
    assert upright.dtype == dtype
    assert upright.ndim == image.ndim and upright.shape[2:] == image.shape[2:]
    if dtype.kind != "b":  # two levels tell the angle only roughly
        assert upright.shape[:2] == SIZES[crop]
    middle = upright[upright.shape[0] // 3 : -upright.shape[0] // 3, upright.shape[1] // 3 : -upright.shape[1] // 3]
    color = middle.reshape(*middle.shape[:2], -1)[:, :, 0].astype(float)
    assert (np.diff(color, axis=0) <= 0).all(), "brighter above"


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "cubic", "lanczos"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32", "float64"])
def test_no_kernel_leaves_the_levels_of_the_picture(dtype, interpolation):
    image = (np.indices((40, 40)).sum(0) // 5 % 2).astype(dtype) * 200
    if dtype.startswith("float"):
        image /= 200
    for crop in ("fit", "keep"):
        turned = turn_back(image, 33.0, crop=crop, interpolation=interpolation)
        assert turned.min() == 0 and turned.max() == image.max()
    predict_angle(turned)  # what came out can go in


@pytest.mark.parametrize("angle", [90.0, 180.0, 270.0])
def test_quarter_turns_are_exact(angle):
    image = np.random.default_rng(0).random((5, 7, 3))
    np.testing.assert_array_equal(turn_back(image, angle), np.rot90(image, -angle // 90))


def test_list_and_stack_give_lists(compass):
    images = [crooked(10.0), Image.fromarray(crooked(100.0))]
    array, picture = correct_rotation(images, model=compass)
    assert isinstance(array, np.ndarray) and isinstance(picture, Image.Image)
    assert [one.dtype for one in correct_rotation(np.stack([crooked(5.0)] * 2), model=compass)] == [np.uint8] * 2
    assert correct_rotation([], model=compass) == []
    with pytest.raises(ImageError, match=r"^images\[1\]: nowhere\.jpg"):
        correct_rotation([crooked(0.0), "nowhere.jpg"], model=compass)


@pytest.mark.parametrize(("older", "today"), [("inscribed", "fit"), ("expand", "keep")])
def test_older_names_of_crops_are_the_same(compass, older, today):
    image = crooked(ANGLE)
    by_name = [correct_rotation(image, model=compass, crop=name) for name in (older, today)]
    np.testing.assert_array_equal(*by_name)
    assert by_name[0].shape[:2] == SIZES[today]


def test_what_a_crop_may_lose(compass, caplog):
    image = crooked(ANGLE)  # of which fit loses 57 %
    given = {"max_loss": 0.5}
    assert correct_rotation(image, model=compass, **given).shape[:2] == SIZES["keep"]
    left = correct_rotation(image, model=compass, **given, beyond="leave")
    assert left is not image and np.array_equal(left, image)
    assert correct_rotation(Image.fromarray(image), model=compass, **given).size == SIZES["keep"][::-1]
    assert correct_rotation(image, model=compass, **given, crop="same").shape[:2] == SIZES["same"]
    assert correct_rotation(image, model=compass, max_loss=0.6).shape[:2] == SIZES["fit"]
    assert not caplog.records, "who sets a limit needs no warning"
    correct_rotation(image, model=compass)
    (record,) = caplog.records
    assert record.getMessage() == "the crop loses 57 % of a picture's area: crop='keep' or max_loss keeps it"


# PIL ------------------------------------------------------------------------------------------------------------------


def in_mode(mode):
    picture = Image.fromarray(crooked(ANGLE))
    if mode == "P, clear":
        picture = picture.convert("P")
        picture.info["transparency"] = 0
    elif mode == "I;16":
        picture = Image.fromarray(crooked(ANGLE)[:, :, 0].astype(np.uint16) * 257)
    elif mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.applyTransform(picture, ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    elif mode == "PA":
        picture = picture.convert("P").convert("PA")
    else:
        picture = picture.convert(mode)
    return picture


MODES = ["1", "L", "LA", "P", "P, clear", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I", "F"]


@pytest.mark.parametrize("crop", ["fit", "keep", "same", "aspect"])
@pytest.mark.parametrize("mode", MODES)
def test_pil_image_gives_one_of_its_mode(mode, crop):
    picture = in_mode(mode)
    picture.info["dpi"] = (72, 72)
    before = picture.tobytes()
    for fill in (0, 255, (255, 0, 0)):
        turned = turn_back(picture, ANGLE, crop=crop, fill=fill)
        assert turned.mode == {"P": "RGB", "P, clear": "RGBA", "PA": "RGBA"}.get(mode, mode)
        assert turned.size == SIZES[crop][::-1]
        assert turned.info["dpi"] == (72, 72) and turned is not picture
        if mode not in ("1", "P", "P, clear", "PA"):  # the colour in the middle is the same as before
            middle, expected = (one.getpixel((one.width // 2, one.height // 2)) for one in (turned, picture))
            np.testing.assert_allclose(middle, expected, atol=600 if mode == "I;16" else 4)
    assert picture.tobytes() == before


@pytest.mark.parametrize(
    ("mode", "fill", "corner"),
    [
        ("1", 255, 255),
        ("1", 60, 0),
        ("L", 9, 9),
        ("L", (255, 0, 0), 76),
        ("I;16", 60000, 60000),
        ("F", 0.5, 0.5),
        ("LA", 0, (0, 0)),
        ("LA", (200, 100), (200, 100)),
        ("LA", (10, 10, 10), (10, 255)),
        ("P", (1, 2, 3), (1, 2, 3)),
        ("P, clear", (1, 2, 3), (1, 2, 3, 255)),
        ("RGB", [1, 2, 3], (1, 2, 3)),
        ("RGB", np.array([1, 2, 3]), (1, 2, 3)),
        ("RGBA", 0, (0, 0, 0, 0)),
        ("RGBA", 255, (255, 255, 255, 255)),
        ("RGBA", (1, 2, 3), (1, 2, 3, 255)),
        ("RGBA", (255, 51, 0, 5), (255, 51, 0, 5)),
        ("CMYK", 0, (255, 255, 255, 0)),
        ("CMYK", 255, (0, 0, 0, 0)),
        ("CMYK", (255, 255, 0), (0, 0, 255, 0)),
        ("CMYK", (1, 2, 3, 4), (1, 2, 3, 4)),
        ("YCbCr", 0, (0, 128, 128)),
    ],
)
def test_fill_is_the_colour_of_the_corners(mode, fill, corner):
    turned = turn_back(in_mode(mode), 45.0, crop="expand", fill=fill)
    # colours under transparency are held in fewer levels
    atol = 2 if mode in ("LA", "RGBA") and corner[-1] not in (0, 255) else 0
    np.testing.assert_allclose(turned.getpixel((2, 2)), corner, atol=atol)


@pytest.mark.parametrize("fill", ["mirror", "blur"])
@pytest.mark.parametrize("mode", MODES)
def test_fills_are_of_the_pictures_own_colours(mode, fill):
    """Of a picture of one colour, and one transparency, the corners are just that."""
    plain = in_mode(mode)
    plain = plain.crop((5, 5, 6, 6)).resize((40, 30))
    if mode in ("RGBA", "LA"):
        plain.putalpha(128)
    turned = turn_back(plain, 30.0, crop="keep", fill=fill)
    corners = {turned.getpixel(at) for at in ((0, 0), (turned.width - 1, 3), (2, turned.height - 1))}
    for pixel in corners:
        np.testing.assert_allclose(pixel, turned.getpixel((turned.width // 2, turned.height // 2)), atol=1)
        assert mode not in ("RGBA", "LA") or pixel[-1] == 128


@pytest.mark.parametrize(
    ("image", "fill", "corner"),
    [
        (np.zeros((20, 20), np.uint8), (255, 0, 0), 76),
        (np.zeros((20, 20, 2), np.uint8), (9, 9, 9), (9, 255)),
        (np.zeros((20, 20, 4), np.uint8), (1, 2, 3), (1, 2, 3, 255)),
        (np.zeros((20, 20, 4), np.uint16), (1, 2, 3), (1, 2, 3, 65535)),
        (np.zeros((20, 20, 4), np.float32), (0.25, 0.5, 0), (0.25, 0.5, 0, 1)),
        (np.zeros((20, 20, 4), bool), (True, False, 1), (1, 0, 1, 1)),
        (np.zeros((20, 20, 3), np.uint8), 1e9, (255, 255, 255)),
        (np.zeros((20, 20, 3), np.uint8), -5, (0, 0, 0)),
        (np.zeros((20, 20, 1), np.int64), np.float32(7), 7),
    ],
)
def test_fill_of_arrays(image, fill, corner):
    np.testing.assert_array_equal(np.ravel(turn_back(image, 45.0, crop="expand", fill=fill)[1, 1]), np.ravel(corner))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "bool"])
def test_colours_have_names_on_any_scale(compass, dtype):
    image = as_type(crooked(ANGLE), np.dtype(dtype))
    images = [image, image[..., 0], *([Image.fromarray(image[..., 0])] if dtype != "float32" else [])]
    for one in images:
        turned = np.asarray(correct_rotation(one, model=compass, crop="keep", fill="white", min_confidence=0))
        assert (turned[0, 0] == as_type(np.array(255), np.dtype(dtype))).all(), "white"
    red = correct_rotation(crooked(ANGLE), model=compass, crop="keep", fill="#f00")
    assert red[0, 0].tolist() == [255, 0, 0]
    assert Turning(fill="white").fill == (255.0, 255.0, 255.0), "which plans hold"


def test_a_colour_that_means_clear_does_not_bleed():
    picture = Image.fromarray(np.where(np.arange(40)[:, None, None] < 20, (255, 0, 255), (0, 0, 0)).astype(np.uint8))
    picture = picture.resize((40, 40))
    picture.info["transparency"] = (255, 0, 255)
    turned = turn_back(picture, 30.0)
    opaque = np.asarray(turned)[np.asarray(turned)[:, :, 3] > 0]
    assert turned.mode == "RGBA" and len(opaque) and opaque[:, :3].max() < 128


def test_transparency_lets_no_dark_seam_in():
    picture = Image.new("RGBA", (40, 40), (200, 100, 50, 255))
    turned = np.asarray(turn_back(picture, 20.0, crop="expand")).astype(int)
    seam = turned[(turned[:, :, 3] > 60) & (turned[:, :, 3] < 250)]
    assert len(seam) > 20
    np.testing.assert_allclose(seam[:, :3], np.broadcast_to((200, 100, 50), seam[:, :3].shape), atol=4)


def test_path_bytes_and_file_give_pil_images_upright_by_exif(compass, tmp_path):
    # the camera lay on its side: the tag says so, the scene is crooked by 20 degrees besides
    data = encoded(np.rot90(crooked(20.0)), "JPEG", exif=exif_with(orientation=6), quality=95)
    (tmp_path / "a.jpg").write_bytes(data)
    for source in (tmp_path / "a.jpg", str(tmp_path / "a.jpg"), data, io.BytesIO(data)):
        upright, prediction = correct_rotation(source, model=compass, return_prediction=True)
        assert angle_difference(prediction.angle, 20.0) < 1
        assert isinstance(upright, Image.Image) and upright.mode == "RGB"
        assert upright.getexif().get(0x0112, 1) == 1
        assert angle_difference(predict_angle(upright, model=compass).angle, 0.0) < 2


# Options --------------------------------------------------------------------------------------------------------------


def test_unsure_picture_comes_back_as_it_is(compass):
    flat = np.full((20, 30, 3), 90, np.uint8)
    upright, prediction = correct_rotation(flat, model=compass, return_prediction=True)
    assert prediction.confidence < 0.5
    np.testing.assert_array_equal(upright, flat)
    assert not np.shares_memory(upright, flat)
    palette = Image.fromarray(flat).convert("P")
    upright = correct_rotation(palette, model=compass)
    assert upright.mode == "P" and upright is not palette


def test_min_confidence_decides(compass):
    image = crooked(ANGLE)
    confidence = predict_angle(image, model=compass).confidence
    assert correct_rotation(image, model=compass, min_confidence=confidence).shape != image.shape
    assert correct_rotation(image, model=compass, min_confidence=1).shape == image.shape


@pytest.mark.parametrize(
    "option",
    [
        {"crop": "tight"},
        {"fill": "reddish"},
        {"max_loss": 1.5},
        {"max_loss": True},
        {"max_loss": "half"},
        {"beyond": "crop"},
        {"crop": None},
        {"crop": ["same"]},
        {"interpolation": "magic"},
        {"interpolation": ["cubic"]},
        {"fill": float("nan")},
        {"fill": None},
        {"fill": [[1, 2, 3]]},
        {"fill": ()},
        {"fill": (1, 2)},
        {"fill": (1, 2, 3, 4)},
        {"fill": (1, [2], 3)},
        {"min_confidence": 1.5},
        {"min_confidence": float("nan")},
        {"min_confidence": "high"},
    ],
)
def test_bad_option_is_a_usage_error_that_names_it(compass, option):
    with pytest.raises(UsageError, match=next(iter(option))):
        correct_rotation(crooked(ANGLE), model=compass, **option)


def test_the_limit_of_pixels_can_be_raised_by_every_way_in(compass):
    file = encoded(crooked(30.0))
    functions = (predict_angle, correct_rotation, is_upright)
    for read in (compass.predict, *(partial(one, model=compass) for one in functions)):
        with pytest.raises(ImageError, match="more than max_pixels=100; shrink it or raise max_pixels"):
            read(file, max_pixels=100)
        read(file, max_pixels=None)


def test_picture_too_long_for_the_warp_is_an_image_error():
    strip = np.zeros((1, MAX_WARP_SIDE + 1), np.uint8)
    with pytest.raises(ImageError, match="cannot be turned.*at most"):
        turn_back(strip, 10.0)
    assert turn_back(strip, 90.0).shape == (MAX_WARP_SIDE + 1, 1)
