"""Digits and folders of photographs, found, divided and read."""

import keras
import numpy as np
import pytest
from PIL import Image

from rotnet import generate_rotated_image
from rotnet.datasets import (
    Labelled,
    load_class_folders,
    load_mnist,
    load_photos,
    rotated_mnist,
    split_class_folders,
    split_labelled,
    split_photos,
)
from rotnet.errors import ImageError, RotNetError, UsageError


def digits(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=digits(6), y_train=np.arange(6), x_test=digits(2, 1), y_test=np.arange(2))
    return path


@pytest.fixture
def no_download(monkeypatch):
    def fail():
        raise Exception("URL fetch failure: no route")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    monkeypatch.delenv("ROTNET_MNIST", raising=False)


def test_mnist_from_a_file_by_argument_or_environment(archive, no_download, monkeypatch):
    (images, labels), (test_images, test_labels) = load_mnist(archive)
    np.testing.assert_array_equal(images, digits(6))
    np.testing.assert_array_equal(test_images, digits(2, 1))
    assert labels.tolist() == [0, 1, 2, 3, 4, 5] and test_labels.tolist() == [0, 1]
    monkeypatch.setenv("ROTNET_MNIST", str(archive))
    np.testing.assert_array_equal(load_mnist()[0][0], images)


def test_mnist_without_network_says_what_to_do(no_download):
    with pytest.raises(RotNetError, match="no route.*ROTNET_MNIST"):
        load_mnist()


def test_files_that_are_not_mnist_are_named(tmp_path):
    np.savez(tmp_path / "other.npz", x_train=digits(1))
    np.save(tmp_path / "array.npy", digits(1))
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("no digits")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:200])
    for path in [*sorted(tmp_path.iterdir()), tmp_path / "missing.npz", tmp_path]:
        with pytest.raises(ImageError, match=f"{path.name} must be an mnist.npz with the arrays x_train"):
            load_mnist(path)


def test_rotated_digits_depend_on_the_seed_alone():
    images, angles = rotated_mnist(digits(5))
    again, same = rotated_mnist(digits(5))
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(angles, same)
    assert images.shape == (5, 28, 28) and images.dtype == np.uint8
    assert angles.dtype == np.float64 and ((angles >= 0) & (angles < 360)).all()
    np.testing.assert_array_equal(images[3], generate_rotated_image(digits(5)[3], angles[3]))
    # a part of the digits is turned as in the whole, so that a quick look agrees with the full measurement
    np.testing.assert_array_equal(rotated_mnist(digits(5)[:2])[1], angles[:2])
    assert (rotated_mnist(digits(5), seed=1)[1] != angles).all()


def photos(folder, *names):
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 12, 3), 5 * number, np.uint8)).save(path)


def names(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_manifest_divides(tmp_path):
    (tmp_path / "manifest.csv").write_text("split,path\nval,b.png\ntrain,sub/a.png\ntrain,a.png\ntest,c.png\n")
    split = split_photos(tmp_path)
    assert names(split.train, tmp_path) == ["a.png", "sub/a.png"] and names(split.val, tmp_path) == ["b.png"]
    (tmp_path / "manifest.csv").write_text("file,split\na.png,train\n")
    with pytest.raises(UsageError, match="manifest.csv must have the columns path and split"):
        split_photos(tmp_path)
    (tmp_path / "manifest.csv").write_text("split,path\nval,b.png\ntrain\n")
    with pytest.raises(UsageError, match="must have a path in each line. Line 3 has none"):
        split_photos(tmp_path)


def test_folders_divide(tmp_path):
    photos(tmp_path, "train/x/a.png", "train/b.png", "val/c.png", "other/d.png")
    split = split_photos(tmp_path)
    assert names(split.train, tmp_path) == ["train/b.png", "train/x/a.png"]
    assert names(split.val, tmp_path) == ["val/c.png"]


def test_names_divide_and_stay_on_their_side(tmp_path):
    photos(tmp_path, *(f"{number}.png" for number in range(40)))
    split = split_photos(tmp_path, val_share=0.3)
    assert sorted(split.train + split.val) == sorted(tmp_path.iterdir()) and 4 <= len(split.val) <= 20
    photos(tmp_path, "more/a.png", "more/b.png")
    grown = split_photos(tmp_path, val_share=0.3)
    assert set(split.train) <= set(grown.train) and set(split.val) <= set(grown.val)
    assert set(split_photos(tmp_path, val_share=0.2).val) <= set(grown.val)


def test_a_folder_that_cannot_be_divided(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder"):
        split_photos(tmp_path / "missing")
    with pytest.raises(UsageError, match="Found: 0 to learn from, 0 to measure on"):
        split_photos(tmp_path)


def test_photos_are_read_in_order_and_no_larger_than_needed(tmp_path):
    photos(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    loaded = load_photos(sorted(tmp_path.iterdir()), short_side=4)
    assert [image.shape for image in loaded] == [(4, 6, 3)] * 2 and [int(image[0, 0, 0]) for image in loaded] == [0, 10]
    assert [image.shape for image in load_photos([tmp_path / "a.png"], short_side=100)] == [(8, 12, 3)]


def test_class_folders(tmp_path):
    photos(tmp_path, "dog/b.png", "cat/x/a.png", "dog/a.png", ".hidden/a.png")
    data = load_class_folders(tmp_path)
    assert data.classes == ("cat", "dog") and data.labels.tolist() == [0, 1, 1] and len(data) == 3
    assert names(data.images, tmp_path) == ["cat/x/a.png", "dog/a.png", "dog/b.png"]


def test_a_folder_without_classes_says_what_it_has(tmp_path):
    with pytest.raises(UsageError, match="Found: none"):
        load_class_folders(tmp_path / "missing")
    photos(tmp_path, "dog/a.png")
    (tmp_path / "cat").mkdir()
    with pytest.raises(UsageError, match=r"Found: cat \(0\), dog \(1\)"):
        load_class_folders(tmp_path)


def test_a_class_does_not_take_the_name_of_a_figure(tmp_path):
    photos(tmp_path, "accuracy/a.png", "cat/a.png")
    with pytest.raises(UsageError, match="accuracy must have another name"):
        load_class_folders(tmp_path)


def test_labelled_pictures_divide_by_class():
    data = Labelled(list(range(40)), np.repeat([0, 1], [30, 10]), ("many", "few"))
    parts = split_labelled(data, seed=4)
    assert [np.bincount(part.labels).tolist() for part in parts] == [[21, 7], [6, 2], [3, 1]]
    assert sorted(image for part in parts for image in part.images) == data.images
    assert all((part.labels == data.labels[part.images]).all() for part in parts)
    assert [part.images for part in split_labelled(data, seed=4)] == [part.images for part in parts]
    assert [part.images for part in split_labelled(data, seed=5)] != [part.images for part in parts]


def test_a_manifest_divides_class_folders_too(tmp_path):
    where = {"cat/a": "train", "cat/b": "val", "dog/a": "train", "dog/b": "test", "dog/c": ""}
    photos(tmp_path, "cat/new.png", *(f"{name}.png" for name in where))
    lines = "".join(f"{name}.png,{side}\n" for name, side in where.items())
    (tmp_path / "manifest.csv").write_text(f"path,split\n{lines}")
    parts = split_class_folders(tmp_path, seed=3)
    assert [names(part.images, tmp_path) for part in parts] == [
        ["cat/a.png", "dog/a.png"],
        ["cat/b.png"],
        ["dog/b.png"],
    ]
    assert [part.labels.tolist() for part in parts] == [[0, 1], [0], [1]]
    assert [len(part) for part in split_class_folders(tmp_path, (0.8, 0.2))] == [2, 1]
    (tmp_path / "manifest.csv").write_text(f"path,split\n{lines.replace('dog/a.png,train', 'dog/a.png,val')}")
    with pytest.raises(UsageError, match=r"Found: train \(1\), val \(2\), test \(1\); none to learn from of dog"):
        split_class_folders(tmp_path)
    (tmp_path / "manifest.csv").unlink()
    with pytest.raises(UsageError, match="class cat must have at least 4"):
        split_class_folders(tmp_path, (0.25,) * 4)


def test_no_part_of_labelled_pictures_stays_empty():
    data = Labelled(list("abcdef"), np.repeat([0, 1], 3), ("left", "right"))
    assert [len(part) for part in split_labelled(data, (0.98, 0.01, 0.01))] == [2, 2, 2]
    with pytest.raises(UsageError, match="class left must have at least 4 pictures. Found: 3"):
        split_labelled(data, (0.25,) * 4)
    with pytest.raises(UsageError, match="add up to 1"):
        split_labelled(data, (0.7, 0.2))


def test_more_of_a_small_folder_is_held_out_and_never_less_as_it_grows(tmp_path):
    def held_out(number):
        for name in range(number):
            (tmp_path / f"{name}.jpg").touch()
        return set(split_photos(tmp_path).val)

    small = held_out(60)
    assert 5 < len(small) < 20  # about a fifth
    large = held_out(600)
    assert 15 < len(large) < 50  # about a twentieth
    first = {tmp_path / f"{name}.jpg" for name in range(60)}
    assert large & first <= small
