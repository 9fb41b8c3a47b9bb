"""Batches: the right pictures, turned by what the label says, the same however many hands make them."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from PIL import Image

from rotnet import AngleError, RotNetDataGenerator, angle_difference, angle_error, decode_angles, largest_rotated_rect
from rotnet.datasets.augmentation import UNDEGRADED, Augmentation, DigitAugmentation
from rotnet.errors import ImageError, OutputError
from rotnet.images import reading
from rotnet.training import reader
from rotnet.training.cache import MemoryCache


def bright_above(height=40, width=52, channels=3):
    """A picture whose up is unmistakable: light at the top, dark at the bottom."""
    ramp = np.linspace(250, 20, height).astype(np.uint8)[:, None, None]
    return np.broadcast_to(ramp, (height, width, channels)).copy()


def measured_angle(image):
    """Degrees, counter-clockwise, that the light of `bright_above` has moved from the top."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width] + 0.5
    y, x = y - height / 2, x - width / 2
    light = image.mean(axis=2) * (np.hypot(x, y) < min(height, width) / 2)
    return np.degrees(np.arctan2(-(x * light).sum(), -(y * light).sum())) % 360


def flat(level, height=12, width=12):
    return np.full((height, width, 3), level, np.uint8)


def levels(generator):
    """What `flat` pictures a generator shows in this epoch, in order."""
    return [round(float(image.max())) for batch, _ in generator for image in batch]


def same(one, other):
    return len(one) == len(other) and all(
        np.array_equal(x, y) for pair in zip(one, other, strict=True) for x, y in zip(*pair, strict=True)
    )


# Pictures in, batches out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 10, 12), (7, 10, 12, 1), (7, 10, 12, 3)])
@pytest.mark.parametrize(("mode", "channels"), [("rgb", 3), ("grayscale", 1)])
def test_arrays_of_every_shape(shape, mode, channels):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    generator = RotNetDataGenerator(images, (10, 12, channels), color_mode=mode, batch_size=3, seed=0)
    batches = list(generator)
    assert [len(batch) for batch, _ in batches] == [3, 3, 1] and len(generator) == 3
    assert generator.input_shape == (10, 12, channels)
    for batch, labels in batches:
        assert batch.shape[1:] == (10, 12, channels) and batch.dtype == np.float32
        assert labels.shape == (len(batch), 360) and labels.dtype == np.float32
        assert batch.min() >= 0 and 1 < batch.max() <= 255


@pytest.mark.parametrize(
    ("shape", "channels"), [((2, 6, 7), 1), ((2, 6, 7, 1), 1), ((2, 6, 7, 3), 3), ((2, 6, 7, 4), 3)]
)
def test_channels_follow_the_array(shape, channels):
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for size in (None, (6, 7)):
        generator = RotNetDataGenerator(images, size, seed=0)
        assert generator.input_shape == (6, 7, channels) and generator[0][0].shape == (2, 6, 7, channels)


def test_next_gives_batch_after_batch_and_epoch_after_epoch():
    def make(**options):
        return RotNetDataGenerator(np.zeros((5, 8, 8), np.uint8), batch_size=2, shuffle=True, seed=3, **options)

    endless, by_epoch = make(), make()
    for _ in range(2):
        assert same([next(endless) for _ in range(3)], list(by_epoch))
        by_epoch.on_epoch_end()
    assert endless.epoch == 2
    assert same(
        list(make(same_every_epoch=True)), [next(one) for one in [make(same_every_epoch=True)] for _ in range(3)]
    )


def test_arrays_of_several_sizes_and_paths_give_the_same(tmp_path):
    arrays = [bright_above(30 + 5 * k, 50 - 5 * k) for k in range(4)]
    paths = [tmp_path / f"{k}.png" for k in range(4)]
    for array, path in zip(arrays, paths, strict=True):
        Image.fromarray(array).save(path)
    options = {"input_shape": (16, 16), "batch_size": 3, "seed": 5, "crop_center": True, "crop_largest_rect": True}
    from_arrays = list(RotNetDataGenerator(arrays, **options))
    assert from_arrays[0][0].shape == (3, 16, 16, 3)
    assert same(from_arrays, list(RotNetDataGenerator(paths, **options)))
    assert same(from_arrays, list(RotNetDataGenerator([str(path) for path in paths], **options)))


def test_an_unreadable_file_is_named(tmp_path):
    Image.fromarray(flat(9)).save(tmp_path / "fine.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    paths = [tmp_path / "fine.png", tmp_path / "broken.png", tmp_path / "missing.png"]
    generator = RotNetDataGenerator(paths, batch_size=1)
    assert generator[0][0].shape == (1, 12, 12, 3)
    with pytest.raises(ImageError, match=r"broken\.png"):
        generator[1]
    with pytest.raises(ImageError, match=r"missing\.png"):
        generator[2]


def test_the_shape_comes_from_the_first_picture_or_the_caller():
    assert RotNetDataGenerator([bright_above(40, 52)]).input_shape == (40, 52, 3)
    assert RotNetDataGenerator([bright_above(40, 52)], crop_center=True).input_shape == (40, 40, 3)
    assert RotNetDataGenerator([bright_above(40, 52)], augmentation=Augmentation()).input_shape == (40, 40, 3)
    for shape in ((8, 9), (8, 9, 3)):
        generator = RotNetDataGenerator([bright_above()], input_shape=shape)
        assert generator.input_shape == (8, 9, 3) and generator[0][0].shape == (1, 8, 9, 3)


def test_preprocess_func_makes_the_batch():
    images = np.stack([flat(10), flat(20)])
    plain = RotNetDataGenerator(images, seed=0)[0][0]
    seen = []

    def preprocess(batch):
        seen.append((batch.shape, batch.dtype))
        return batch / 255.0 - 0.5

    np.testing.assert_array_equal(
        RotNetDataGenerator(images, seed=0, preprocess_func=preprocess)[0][0], preprocess(plain)
    )
    assert seen[0] == ((2, 12, 12, 3), np.float32)


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": []},
        {"input": "one.jpg"},
        {"input": np.zeros((8, 8), np.uint8)},
        {"color_mode": "bgr"},
        {"batch_size": 0},
        {"input_shape": (8,)},
        {"input_shape": (8, 8, 2)},
        {"input_shape": (0, 8)},
        {"label": "class"},
        {"label": "soft"},
        {"label": "turn", "sigma": 3.0},
        {"sigma": 0.0},
        {"seed": -1},
    ],
    ids=str,
)
def test_wrong_arguments_are_named_with_what_came(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must .*Received"):
        RotNetDataGenerator(**{"input": np.zeros((2, 8, 8), np.uint8), **wrong})


def test_an_index_outside_is_refused():
    generator = RotNetDataGenerator(np.zeros((3, 8, 8), np.uint8), batch_size=2)
    for index in (-1, 2):
        with pytest.raises(IndexError):
            generator[index]


# Angles and labels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"crop_center": True},
        {"crop_largest_rect": True},
        {"crop_center": True, "crop_largest_rect": True},
        {"augmentation": UNDEGRADED},
        {"augmentation": Augmentation()},
        {"augmentation": DigitAugmentation(), "color_mode": "grayscale"},
    ],
    ids=str,
)
def test_labels_say_how_far_the_pictures_are_turned(options):
    options = {"input_shape": (32, 32), "label": "angle", "seed": 3, **options}
    images, angles = RotNetDataGenerator([bright_above(65, 65)] * 24, **options)[0]
    assert angles.shape == (24,) and angles.dtype == np.float32 and np.ptp(angles) > 180
    errors = angle_difference(angles, [measured_angle(image) for image in images])
    assert errors.max() < (12 if isinstance(options.get("augmentation"), (Augmentation, DigitAugmentation)) else 2)


def test_labels_of_every_kind_tell_the_same_angles():
    def labels(**options):
        return RotNetDataGenerator(np.zeros((9, 8, 8), np.uint8), seed=4, **options)[0][1]

    angles = labels(label="angle")
    assert ((angles >= 0) & (angles < 360)).all()
    one_hot = labels()
    np.testing.assert_array_equal(np.sort(one_hot)[:, -2:], [[0, 1]] * 9)
    np.testing.assert_array_equal(one_hot.argmax(axis=1), np.floor(angles + 0.5) % 360)
    soft = labels(sigma=3.0)
    assert soft.max() < 0.2
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(decode_angles(soft), angles, atol=0.1)
    np.testing.assert_array_equal(labels(label="soft", sigma=3.0), soft)
    turns = labels(label="turn")
    np.testing.assert_allclose(turns * 360, angles, rtol=1e-6)
    np.testing.assert_array_equal(labels(one_hot=False), turns)
    sincos = labels(label="sincos")
    assert sincos.shape == (9, 2) and sincos.dtype == turns.dtype == np.float32
    assert angle_difference(np.degrees(np.arctan2(sincos[:, 0], sincos[:, 1])), angles).max() < 1e-3


def test_without_rotation_pictures_are_upright_and_labels_zero():
    image = bright_above(32, 32)
    images, labels = RotNetDataGenerator([image] * 3, rotate=False, seed=0)[0]
    np.testing.assert_array_equal(labels.argmax(axis=1), 0)
    np.testing.assert_allclose(images, [image] * 3, atol=1)
    images, angles = RotNetDataGenerator(
        [bright_above(64, 64)] * 6, (32, 32), rotate=False, label="angle", augmentation=Augmentation(colour=1), seed=0
    )[0]
    np.testing.assert_array_equal(angles, 0)
    assert angle_difference([measured_angle(image) for image in images], 0).max() < 12
    assert len({image.tobytes() for image in images}) == 6


def test_the_largest_rectangle_has_no_black_corner_and_the_plain_canvas_has():
    images = [flat(200, 40, 60)] * 16
    for center in (False, True):
        kept, _ = RotNetDataGenerator(images, (20, 30), crop_largest_rect=True, crop_center=center, seed=0)[0]
        assert kept.min() == 200
    canvas, _ = RotNetDataGenerator(images, (20, 30), seed=0)[0]
    assert canvas.min() == 0


def test_crop_center_shows_the_centre_square_only():
    image = flat(0, 20, 60)
    image[:, 20:40] = 255
    shown, _ = RotNetDataGenerator([image], (10, 10), rotate=False, crop_center=True)[0]
    assert shown.min() == 255
    shown, _ = RotNetDataGenerator([image], (20, 60), rotate=False)[0]
    assert shown.min() == 0


# Chance and order -----------------------------------------------------------------------------------------------------


def test_a_batch_depends_on_seed_epoch_and_index_alone():
    images = np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), np.uint8)
    options = {"batch_size": 4, "shuffle": True, "augmentation": Augmentation()}
    generator = RotNetDataGenerator(images, seed=1, **options)
    first = list(generator)
    assert same([generator[2], generator[0], generator[1]], [first[2], first[0], first[1]])
    generator.on_epoch_end()
    second = list(generator)
    assert not same(first, second)
    fresh = RotNetDataGenerator(images, seed=1, **options)
    fresh.epoch = 1
    assert same(list(fresh), second)
    assert not same(list(RotNetDataGenerator(images, seed=2, **options)), first)
    drawn = RotNetDataGenerator(images, **options)
    assert same(list(RotNetDataGenerator(images, seed=drawn.seed, **options)), list(drawn))


def test_batches_of_an_epoch_differ():
    labels = [label for _, label in RotNetDataGenerator(np.zeros((40, 8, 8), np.uint8), batch_size=4, label="angle")]
    assert len(np.unique(np.concatenate(labels))) == 40


def test_shuffling_shows_every_picture_once_in_a_new_order_each_epoch():
    images = np.stack([flat(10 + 5 * k) for k in range(23)])
    generator = RotNetDataGenerator(images, batch_size=5, shuffle=True, crop_largest_rect=True, seed=0)
    orders = []
    for _ in range(3):
        orders.append(levels(generator))
        generator.on_epoch_end()
    ordered = [10 + 5 * k for k in range(23)]
    assert all(sorted(order) == ordered for order in orders)
    assert len({tuple(order) for order in [*orders, ordered]}) == 4
    assert levels(RotNetDataGenerator(images, batch_size=5, crop_largest_rect=True)) == ordered


def test_same_every_epoch():
    generator = RotNetDataGenerator(np.zeros((6, 8, 8), np.uint8), batch_size=4, seed=0, same_every_epoch=True)
    before = list(generator)
    generator.on_epoch_end()
    assert same(before, list(generator))


# Files: no more of them than needed, no more often than needed --------------------------------------------------------


@pytest.fixture
def photographs(tmp_path):
    """Paths of six JPEG files of 600 by 480 pixels, each with its own level."""
    for number in range(6):
        picture = bright_above(480, 600) // 2 + 10 * number
        Image.fromarray(picture).save(tmp_path / f"{number}.jpg", quality=95)
    return sorted(tmp_path.glob("*.jpg"))


@pytest.mark.parametrize(
    ("options", "short_side"),
    [
        ({}, 90),
        ({"crop_largest_rect": True}, 120),
        ({"augmentation": Augmentation()}, 120),
        ({"augmentation": Augmentation(min_view=0.25)}, 240),
        ({"augmentation": Augmentation(min_view=0.0)}, None),
        ({"augmentation": lambda image, angle, size, rng: image[: size[0], : size[1]]}, None),
    ],
)
def test_a_jpeg_is_decoded_no_larger_than_needed(photographs, monkeypatch, options, short_side):
    asked = []
    read = reading.read_image
    monkeypatch.setattr(reading, "read_image", lambda image, **how: asked.append(how) or read(image, **how))
    generator = RotNetDataGenerator(photographs, (60, 40), seed=0, **options)
    assert generator[0][0].shape == (6, 60, 40, 3)
    assert asked == [{"short_side": short_side}] * 6


def test_what_is_decoded_smaller_looks_the_same(photographs):
    options = {"input_shape": (60, 60), "crop_center": True, "crop_largest_rect": True, "seed": 0}
    reduced, labels = RotNetDataGenerator(photographs, **options)[0]
    whole, same_labels = RotNetDataGenerator([reading.read_image(path) for path in photographs], **options)[0]
    np.testing.assert_array_equal(labels, same_labels)
    assert np.abs(reduced - whole).mean() < 1


def test_no_window_of_a_decoded_picture_holds_fewer_pixels_than_the_output():
    generator = RotNetDataGenerator(np.zeros((1, 9, 9), np.uint8), (60, 60), crop_largest_rect=True)
    side = generator._reader.short_side
    for length in (1, 4 / 3, 2, 5):
        for angle in range(0, 360, 3):
            assert min(largest_rotated_rect(length * side, side, np.radians(angle))) >= 60 - 1e-6


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_cache_changes_no_batch_and_spares_decoding(photographs, monkeypatch, where, tmp_path):
    options = {"input_shape": (50, 50), "batch_size": 4, "seed": 1, "crop_largest_rect": True}
    place = "memory" if where == "memory" else tmp_path / "cache"
    plain = list(RotNetDataGenerator(photographs, **options))
    cached = RotNetDataGenerator(photographs, cache=place, **options)
    assert same(list(cached), plain)
    monkeypatch.setattr(reading, "read_image", lambda *_, **__: pytest.fail("decoded again"))
    assert same(list(cached), plain)
    if where == "folder":
        assert same(list(RotNetDataGenerator(photographs, cache=place, **options)), plain)


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_cache_follows_the_files(photographs, where, tmp_path):
    place = "memory" if where == "memory" else tmp_path / "cache"
    options = {"input_shape": (50, 50), "seed": 1}
    cached = RotNetDataGenerator(photographs, cache=place, **options)
    list(cached)
    Image.fromarray(flat(77, 480, 600)).save(photographs[0])
    assert same(list(cached), list(RotNetDataGenerator(photographs, **options)))
    photographs[1].unlink()
    with pytest.raises(ImageError, match=photographs[1].name):
        list(cached)


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_full_cache_keeps_no_more(photographs, where, tmp_path, monkeypatch):
    place = "memory" if where == "memory" else tmp_path / "cache"
    one = reading.read_image(photographs[0], short_side=75).nbytes
    options = {"input_shape": (50, 50), "seed": 1}
    cached = RotNetDataGenerator(photographs, cache=place, cache_bytes=int(2.5 * one), **options)
    plain = list(RotNetDataGenerator(photographs, **options))
    assert same(list(cached), plain)
    decoded = []
    read = reading.read_image
    monkeypatch.setattr(reading, "read_image", lambda image, **how: decoded.append(image) or read(image, **how))
    assert same(list(cached), plain)
    assert len(decoded) == len(photographs) - 2, "two of them fit"
    if where == "folder":
        assert len(list(place.iterdir())) == 2


def test_arrays_larger_than_needed_are_scaled_down_once(monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (401, 301, 3), np.uint8), flat(90, 100, 120), rng.random((200, 300))]
    options = {"input_shape": (50, 50), "seed": 1, "crop_center": True, "crop_largest_rect": True, "batch_size": 2}
    plain = list(RotNetDataGenerator(arrays, **options))
    cached = RotNetDataGenerator(arrays, cache="memory", **options)
    assert same(list(cached), plain)
    monkeypatch.setattr(reader, "halve", lambda _: pytest.fail("scaled down again"))
    monkeypatch.setattr(reading, "read_image", lambda *_, **__: pytest.fail("converted again"))
    assert same(list(cached), plain)


def test_arrays_are_not_kept_in_a_folder(tmp_path):
    """Where a later run would take them for its own."""
    arrays = [flat(level, 400, 300) for level in (10, 200)]
    list(RotNetDataGenerator(arrays, (50, 50), crop_largest_rect=True, cache=tmp_path / "cache"))
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_needs_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file cannot be made: File exists; choose another folder"):
        RotNetDataGenerator([flat(1)], cache=tmp_path / "file")


def test_a_cache_counts_each_picture_once_among_threads(tmp_path):
    path = tmp_path / "a.png"
    path.touch()
    together = threading.Barrier(3)

    def decode(_):
        together.wait()
        return np.zeros(1000, np.uint8)

    cache = MemoryCache(limit=3000)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: cache.read(path, decode), range(3)))
    assert cache._free == 2000


def test_a_damaged_cache_is_made_anew(photographs, tmp_path):
    options = {"input_shape": (50, 50), "seed": 1}
    cached = RotNetDataGenerator(photographs, cache=tmp_path / "cache", **options)
    first = list(cached)
    for number, kept in enumerate(sorted((tmp_path / "cache").iterdir())):
        kept.write_bytes(kept.read_bytes()[: 100 * number])
    assert same(list(cached), first) and same(list(cached), first)


def test_pictures_given_as_arrays_are_safe_from_the_augmentation():
    def careless(image, angle, size, rng):
        image[:] = 0
        return image

    images = np.full((2, 8, 8, 3), 9, np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        RotNetDataGenerator(images, augmentation=careless)[0]
    assert images.min() == 9 and images.flags.writeable


# Inside Keras ---------------------------------------------------------------------------------------------------------


def small_model(*metrics):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(360, "softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=list(metrics))
    return model


def small_generator(kind=RotNetDataGenerator, **options):
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8), np.uint8)
    return kind(images, color_mode="grayscale", batch_size=4, **{"seed": 0, **options})


@pytest.mark.parametrize("workers", [1, 2])
def test_fit_sees_each_batch_once_an_epoch(workers):
    class Spy(RotNetDataGenerator):
        def __getitem__(self, index):
            seen.append((self.epoch, index))
            return super().__getitem__(index)

    seen = []
    train, val = small_generator(Spy, shuffle=True, workers=workers), small_generator(same_every_epoch=True, seed=9)
    model = small_model(angle_error, AngleError(name="off_by"))
    history = model.fit(train, validation_data=val, epochs=3, verbose=0).history
    # Keras looks at some batches first, to build the metrics, and counts that as a pass; it also draws their order
    first = seen[-1][0] - 2
    assert sorted(seen[-9:]) == [(first + epoch, index) for epoch in range(3) for index in range(3)]
    assert all(0 <= error <= 180 for error in [*history["angle_error"], *history["off_by"]])
    # the last batch is smaller; the mean is over pictures all the same
    expected = angle_error(np.concatenate([labels for _, labels in val]), model.predict(val, verbose=0))
    assert history["val_off_by"][-1] == pytest.approx(float(keras.ops.mean(expected)), rel=1e-4)


def test_a_bad_file_stops_fit_and_is_named(tmp_path):
    for number in range(4):
        Image.fromarray(flat(9, 8, 8)).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"no picture")
    paths = sorted(tmp_path.iterdir())
    for workers in (1, 2):
        generator = RotNetDataGenerator(paths, color_mode="grayscale", batch_size=1, workers=workers)
        with pytest.raises(Exception, match=r"3\.png"):
            small_model().fit(generator, verbose=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_as_a_tf_dataset(workers):
    tf = pytest.importorskip("tensorflow")
    generator = small_generator(shuffle=True, workers=workers, sigma=2.0)
    dataset = generator.to_tf_dataset()
    assert len(dataset) == 3 and dataset.element_spec[0] == tf.TensorSpec((None, 8, 8, 1), tf.float32)
    passes = [list(dataset.as_numpy_iterator()) for _ in range(2)]
    fresh = small_generator(shuffle=True, sigma=2.0)
    for found in passes:
        for one, other in zip(found, list(fresh), strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_allclose(one[1], other[1], atol=1e-30)  # TensorFlow takes the very smallest for zero
        fresh.on_epoch_end()
    small_model().fit(dataset, epochs=2, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match="preprocess_func must be None"):
        small_generator(preprocess_func=np.negative).to_tf_dataset()


MANY_HANDS = """
import keras, numpy as np
from rotnet import RotNetDataGenerator
from rotnet.datasets.augmentation import Augmentation

images = np.random.default_rng(0).integers(0, 256, (7, 200, 300, 3), np.uint8)
options = dict(input_shape=(64, 64), batch_size=2, seed=3, shuffle=True, augmentation=Augmentation())
wanted = np.concatenate([batch for batch, _ in RotNetDataGenerator(images, **options)])
inputs = keras.Input((64, 64, 3))
identity = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
if __name__ == "__main__":
    for hands in (dict(workers=1), dict(workers=2), dict(workers=2, use_multiprocessing=True)):
        got = identity.predict(RotNetDataGenerator(images, **options, **hands), verbose=0)
        print(np.array_equal(got, wanted))
"""


def test_threads_and_processes_make_the_same_batches(tmp_path):
    # apart and with a time limit: a fork of a process that runs TensorFlow is no promise
    (tmp_path / "hands.py").write_text(MANY_HANDS)
    command = [sys.executable, str(tmp_path / "hands.py")]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert answer.stdout.split() == ["True"] * 3, answer.stderr


def test_masks_are_as_bright_as_they_are_read():
    mask = np.zeros((2, 28, 28), np.uint8)
    mask[:, 5:20, 10:14] = 1
    batch, _ = RotNetDataGenerator(mask, color_mode="grayscale", rotate=False)[0]
    np.testing.assert_array_equal(batch[..., 0], 255 * mask)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rotate": False},
        {"crop_center": True},
        {"crop_largest_rect": True, "shuffle": True},
        {"input_shape": (20, 26)},
        {"input_shape": (9, 9), "crop_center": True, "crop_largest_rect": True},
        {"augmentation": DigitAugmentation()},
        {"augmentation": DigitAugmentation(interpolations=("bilinear",))},
        {"augmentation": DigitAugmentation((0.5, 2), 4, (0.2, 3), ("lanczos", "nearest", "cubic")), "sigma": 2.0},
    ],
    ids=str,
)
@pytest.mark.parametrize(("mode", "tail"), [("grayscale", ()), ("grayscale", (1,)), ("rgb", (3,)), ("rgb", ())])
def test_small_pictures_give_the_same_in_one_piece_and_one_by_one(options, mode, tail):
    images = np.random.default_rng(0).integers(0, 256, (37, 28, 22, *tail), np.uint8)
    images[30] = images[30] > 90  # a mask, so that the last batch is read one by one
    options = {"batch_size": 15, "seed": 5, "color_mode": mode, "input_shape": (28, 22), **options}
    together, apart = (RotNetDataGenerator(given, **options) for given in (images, list(images)))
    for (batch, labels), (expected, same_labels) in zip(together, apart, strict=True):
        np.testing.assert_array_equal(labels, same_labels)
        assert batch.dtype == np.float32
        # wide kernels may round the other way, once in thousands, which gain makes up to 3 of
        tolerated = 3 if "augmentation" in options else 0
        difference = np.abs(batch - expected)
        assert difference.max() <= tolerated and (difference > 0).mean() < 0.002


def test_small_arrays_are_not_read_one_by_one(monkeypatch):
    digits = np.random.default_rng(0).integers(0, 256, (8, 28, 28), np.uint8)
    for augmentation in (None, DigitAugmentation()):
        generator = RotNetDataGenerator(digits, color_mode="grayscale", augmentation=augmentation)
        monkeypatch.setattr(generator, "_example", None)
        assert generator[0][0].shape == (8, 28, 28, 1)


def test_a_variation_of_ones_own_is_called_for_each_digit():
    class Bright(DigitAugmentation):
        def __call__(self, image, angle, size, rng):
            return np.full((*size, 1), 255, np.uint8)

    digits = np.zeros((3, 28, 28), np.uint8)
    batch, _ = RotNetDataGenerator(digits, color_mode="grayscale", augmentation=Bright())[0]
    assert batch.min() == 255
