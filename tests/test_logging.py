"""What happens to files along the way is logged under `rotnet`, where nobody is disturbed who does not listen."""

import logging

import numpy as np
import pytest
from pictures import encoded, smooth

from rotnet.cli import main, models
from rotnet.datasets.photos import load_photos
from rotnet.files.journal import Journal
from rotnet.images.finding import find_images
from rotnet.images.turn_file import turn_bytes
from rotnet.training.cache import FolderCache


def test_nobody_is_disturbed_who_does_not_listen():
    assert [type(handler) for handler in logging.getLogger("rotnet").handlers] == [logging.NullHandler]
    assert logging.getLogger("rotnet").level == logging.NOTSET


def test_what_is_skipped_among_files(tmp_path, caplog):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "a.jpg").touch()
    with caplog.at_level(logging.DEBUG, "rotnet"):
        assert list(find_images(tmp_path)) == [tmp_path / "a.jpg"]
    assert caplog.messages == [f"{tmp_path / 'notes.txt'} is skipped: its extension is not that of a picture"]
    assert caplog.records[0].name == "rotnet.images.finding"


def test_a_photo_that_is_left_out(tmp_path, caplog):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    assert load_photos([tmp_path / "a.jpg"], short_side=10) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages[0].startswith(f"left out: {tmp_path / 'a.jpg'}")


def test_what_was_kept_and_cannot_be_read_or_written(tmp_path, caplog):
    picture = tmp_path / "a.png"
    picture.write_bytes(encoded(smooth()))
    cache, made = FolderCache(tmp_path / "kept", 1 << 20), np.zeros((2, 3), np.uint8)
    cache.read(picture, lambda _: made)
    assert caplog.messages == [], "a picture that is new is nothing to warn of"
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(b"\x93NUMPY")
    np.testing.assert_array_equal(cache.read(picture, lambda _: made), made)
    assert caplog.messages[0].startswith(f"{kept} cannot be read and is made anew from {picture}")
    caplog.clear()
    kept.unlink()
    kept.parent.rmdir()
    for _ in range(2):
        cache.read(picture, lambda _: made)
    assert [message.partition(":")[0] for message in caplog.messages] == [f"{kept.parent} keeps no more"]


def test_what_a_killed_run_left(tmp_path, caplog):
    left = tmp_path / ".rotnet-0123456789abcdef-0.part"
    left.touch()
    lines = ['{"journal": 1, "run": "x", "options": {}}', f'{{"writing": "/a.jpg", "temporary": "{left}"}}', ""]
    (tmp_path / "journal").write_text("\n".join(lines))
    with caplog.at_level(logging.INFO, "rotnet"), Journal(tmp_path / "journal"):
        assert not left.exists()
    assert caplog.messages == [f"{left} was left by a run that was killed, and is removed"]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_pixels_turned_where_a_tag_cannot_be(caplog):
    damaged = encoded(smooth(), "JPEG", exif=b"Exif\0\0" + b"MM\0*" * 9)
    with caplog.at_level(logging.INFO, "rotnet"):
        assert turn_bytes(damaged, 90.0, name="a.jpg")[1] == "pixels"
    assert caplog.messages[0].startswith("a.jpg cannot be turned by a tag, and its pixels are turned: ")


def test_the_command_prints_warnings_alone(monkeypatch, capsys):
    def run(_):
        logger = logging.getLogger("rotnet.some.room")
        logger.info("nothing to see")
        logger.warning("%s is odd", "a\n.jpg")
        return 0

    monkeypatch.setattr(models, "run", run)
    assert main.main(["models"]) == 0
    assert capsys.readouterr().err == "rotnet: a\\n.jpg is odd\n"
    assert len(logging.getLogger("rotnet").handlers) == 1
