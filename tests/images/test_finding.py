import os
import pathlib

from rotnet.images.finding import LINKED_FOLDER, count_others, find_images


def test_find_images(tmp_path):
    names = "b/2.PNG b/1.jpg a.webp c.txt .hidden.jpg .cache/x.jpg d/e/f.tiff z dir.jpg/y.jpg"
    for name in names.split():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    (tmp_path / "b" / "loop.jpg").symlink_to(tmp_path)
    (tmp_path / "link.jpg").symlink_to("a.webp")
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["a.webp", "b/1.jpg", "b/2.PNG", "d/e/f.tiff", "dir.jpg/y.jpg", "link.jpg"]
    given = [tmp_path / "c.txt", tmp_path / "missing.png", str(tmp_path / "b")]
    assert list(find_images(given)) == [*given[:2], tmp_path / "b/1.jpg", tmp_path / "b/2.PNG"]


def test_find_images_reports_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()

    def scandir(path, real=os.scandir):
        if pathlib.Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(find_images([tmp_path])) == [tmp_path / "closed"]


def test_find_images_lists_links_that_lead_nowhere(tmp_path):
    for name, to in [("a.jpg", "nowhere"), ("b.jpg", "b.jpg"), ("c.jpg", "d.jpg"), ("d.jpg", "c.jpg")]:
        (tmp_path / name).symlink_to(to)
    assert [path.name for path in find_images(tmp_path)] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def test_others_are_counted_by_extension(tmp_path):
    for name in "a.jpg b.CR2 c.cr2 notes .hidden.cr2 d/e.mov d/f.png".split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert count_others([tmp_path]) == {".cr2": 2, ".mov": 1, "": 1}
    for name in "album", "album.jpg", "album.cr2", ".hidden":
        (tmp_path / name).symlink_to("d")
    assert count_others([tmp_path], raw=True) == {".mov": 1, "": 1, LINKED_FOLDER: 3}
    assert len(list(find_images([tmp_path], raw=True))) == 4
    assert count_others([tmp_path / "notes", tmp_path / "missing"]) == {}
