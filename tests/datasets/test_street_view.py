"""Street views: fetched over lines that break, unpacked, and divided so that no place is on both sides."""

import hashlib
import http.server
import io
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from rotnet.datasets import StreetViewAugmentation, download_street_view, split_street_view
from rotnet.datasets import download as download_module
from rotnet.datasets.download import check_sum, fetch
from rotnet.errors import RotNetError, UsageError

PARTS = ("part1.zip", "part2.zip")


def picture(level):
    file = io.BytesIO()
    Image.fromarray(np.full((40, 50, 3), level, np.uint8)).save(file, "JPEG")
    return file.getvalue()


def archive(*places, folder=""):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        for place in places:
            for view in range(6):
                members.writestr(f"{folder}{place:06d}_{view}.jpg", picture(10 * place + view))
        members.writestr("readme.txt", "not a picture")
    return file.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, and breaks the connection after `limit` bytes, `breaks` times."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests, self.tag = {}, [], '"one"'
        self.limit, self.breaks, self.status = 100, 0, 200
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server, name = self.server, self.path[1:]
        server.requests.append((name, self.headers["Range"]))
        if server.status != 200 or name not in server.files:
            self.send_error(server.status if server.status != 200 else 404)
            return
        data, start = server.files[name], 0
        if self.headers["Range"] and self.headers["If-Range"] == server.tag:
            start = int(self.headers["Range"][len("bytes=") : -1])
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        broken, server.breaks = server.breaks > 0, server.breaks - 1
        self.wfile.write(data[start : start + server.limit if broken else None])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download_module.time, "sleep", lambda seconds: None)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


# Downloading ----------------------------------------------------------------------------------------------------------


def test_a_download_goes_on_where_the_line_broke(server, tmp_path):
    server.files["a"], server.breaks = bytes(range(250)), 2
    assert fetch(f"{server.url}/a", tmp_path / "a").read_bytes() == bytes(range(250))
    assert server.requests == [("a", None), ("a", "bytes=100-"), ("a", "bytes=200-")]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    fetch(f"{server.url}/a", tmp_path / "a")
    assert len(server.requests) == 3


def test_a_download_goes_on_in_another_process(server, tmp_path):
    server.files["a"], server.breaks = bytes(range(250)), 1
    with pytest.raises(RotNetError, match="100 of 250 bytes have come. Start again to go on"):
        fetch(f"{server.url}/a", tmp_path / "a", attempts=1)
    assert not (tmp_path / "a").exists()
    assert fetch(f"{server.url}/a", tmp_path / "a").read_bytes() == bytes(range(250))
    assert server.requests[-1] == ("a", "bytes=100-")


@pytest.mark.parametrize("tag", ['"two"', ""])
def test_two_versions_of_a_file_are_never_glued_together(tag, server, tmp_path):
    server.files["a"], server.breaks = b"old" * 50, 1
    server.tag = '"one"' if tag else ""
    with pytest.raises(RotNetError):
        fetch(f"{server.url}/a", tmp_path / "a", attempts=1)
    server.files["a"], server.tag = b"new" * 70, tag
    assert fetch(f"{server.url}/a", tmp_path / "a").read_bytes() == b"new" * 70


def test_a_whole_part_that_did_not_get_its_name_is_fetched_anew(server, tmp_path):
    server.files["a"] = b"whole"
    (tmp_path / "a.part").write_bytes(b"whole")
    (tmp_path / "a.part.version").write_text(server.tag)
    assert fetch(f"{server.url}/a", tmp_path / "a").read_bytes() == b"whole"


def test_what_a_server_refuses_is_not_asked_again(server, tmp_path):
    with pytest.raises(RotNetError, match="404.*Give another address"):
        fetch(f"{server.url}/a", tmp_path / "a")
    assert len(server.requests) == 1


def test_a_server_in_trouble_is_asked_again(server, tmp_path):
    server.status = 503
    with pytest.raises(RotNetError, match="503.*Start again"):
        fetch(f"{server.url}/a", tmp_path / "a", attempts=3)
    assert len(server.requests) == 3


def test_a_checksum_is_kept_at_first_sight_and_held_to(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"first")
    check_sum(path)
    check_sum(path)
    digest = hashlib.sha256(b"first").hexdigest()
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  a.zip\n"
    path.write_bytes(b"other")
    with pytest.raises(RotNetError, match=f"a.zip is not the file of .*expected SHA-256 {digest}, got .*Delete"):
        check_sum(path)


# The set --------------------------------------------------------------------------------------------------------------


def test_only_side_views_are_kept(server, tmp_path):
    server.files = {"part1.zip": archive(1, 2), "part2.zip": archive(3, folder="images/../../")}
    server.breaks, server.limit = 3, 500
    download_street_view(tmp_path / "set", url=server.url, parts=PARTS)
    names = {path.name for path in (tmp_path / "set").glob("*.jpg")}
    assert names == {f"{place:06d}_{view}.jpg" for place in (1, 2, 3) for view in (1, 2, 3, 4)}
    assert (tmp_path / "set" / "000002_3.jpg").read_bytes() == picture(23)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert len((tmp_path / "set" / "SHA256SUMS").read_text().splitlines()) == 2


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    (tmp_path / "part1.zip").write_bytes(archive(1))
    server.files["part2.zip"] = archive(2)
    download_street_view(tmp_path, url=server.url, parts=PARTS)
    assert server.requests == [("part2.zip", None)]
    for part in PARTS:
        (tmp_path / part).unlink()
    download_street_view(tmp_path, url=server.url, parts=PARTS)
    assert len(server.requests) == 1
    (tmp_path / "000002_4.jpg").unlink()
    download_street_view(tmp_path, url=server.url, parts=PARTS)
    assert server.requests[1:] == [("part2.zip", None)] and (tmp_path / "000002_4.jpg").exists()


def test_an_archive_that_has_changed_is_refused(server, tmp_path):
    server.files["part1.zip"] = archive(1)
    download_street_view(tmp_path, url=server.url, parts=PARTS[:1])
    (tmp_path / "part1.zip").unlink()
    (tmp_path / "000001_1.jpg").unlink()
    server.files["part1.zip"] = archive(2)
    with pytest.raises(RotNetError, match="part1.zip is not the file of"):
        download_street_view(tmp_path, url=server.url, parts=PARTS[:1])
    assert not (tmp_path / "000002_1.jpg").exists()


@pytest.mark.parametrize("damage", [lambda data: b"<html>sorry</html>", lambda data: data.replace(b"JFIF", b"XXXX")])
def test_a_damaged_archive_is_named_and_not_trusted(damage, server, tmp_path):
    (tmp_path / "part1.zip").write_bytes(damage(archive(1)))
    with pytest.raises(RotNetError, match="part1.zip must be a zip archive, but is damaged.*Delete it"):
        download_street_view(tmp_path, url=server.url, parts=PARTS[:1])
    assert not (tmp_path / "SHA256SUMS").exists()


def test_no_place_is_on_both_sides(tmp_path):
    for place in range(60):
        for view in range(6):
            (tmp_path / f"{place:06d}_{view}.jpg").touch()
    (tmp_path / "holiday.jpg").touch()
    split = split_street_view(tmp_path, val_share=0.3)
    places = [{path.name.split("_")[0] for path in side} for side in (split.train, split.val)]
    assert not places[0] & places[1] and len(places[0] | places[1]) == 60
    assert len(split.train) + len(split.val) == 240 and 8 <= len(places[1]) <= 30
    assert {path.stem[-1] for path in split.train + split.val} == set("1234")
    assert set(split_street_view(tmp_path, val_share=0.2).val) <= set(split.val)


def views(folder, places, number=4):
    folder.mkdir(parents=True, exist_ok=True)
    for place in places:
        for view in range(number):
            (folder / f"{place}_{view}.jpg").touch()


def test_names_of_any_place_will_do(tmp_path):
    views(tmp_path, [f"main street {place}" for place in range(40)])
    split = split_street_view(tmp_path, val_share=0.3)
    places = [{path.name.rpartition("_")[0] for path in side} for side in (split.train, split.val)]
    assert not places[0] & places[1] and len(places[0] | places[1]) == 40
    assert len(split.train) + len(split.val) == 160


def test_regions_are_held_out_whole(tmp_path):
    for town in ("orlando", "pittsburgh", "york"):
        views(tmp_path / town, range(3))
    split = split_street_view(tmp_path, held_out=["york"])
    assert split == split_street_view(tmp_path, held_out=["./york/"])
    assert {path.parent.name for path in split.train} == {"orlando", "pittsburgh"}
    assert {path.parent.name for path in split.val} == {"york"} and len(split.val) == 12
    with pytest.raises(UsageError, match="There is no paris"):
        split_street_view(tmp_path, held_out=["york", "paris"])


def test_sub_folders_train_and_val_are_believed_whatever_their_names(tmp_path):
    for side in ("train", "val"):
        (tmp_path / side).mkdir()
        for number in range(3):
            (tmp_path / side / f"IMG_000{number}.jpg").touch()
    split = split_street_view(tmp_path)
    assert [path.parent.name for path in split.train] == ["train"] * 3
    assert [path.parent.name for path in split.val] == ["val"] * 3


def test_too_few_places_are_refused(tmp_path):
    views(tmp_path / "train", ["corner"], 20)
    views(tmp_path / "val", ["bridge", "market"])
    with pytest.raises(UsageError, match="Found: 1 places to learn from, 2 to measure on; at least 2"):
        split_street_view(tmp_path)


def test_a_folder_without_street_views_says_what_to_do(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="Found: 0 places to learn from.*download_street_view"):
            split_street_view(folder)


def test_no_example_shows_the_icon():
    street = np.full((40, 50, 3), 120, np.uint8)
    street[:, :5] = street[:, -5:] = (255, 0, 0)  # all that is outside of the centre square
    rng = np.random.default_rng(0)
    for angle in rng.uniform(0, 360, 40):
        view = StreetViewAugmentation()(street, angle, (16, 16), rng).astype(int)
        assert view.shape == (16, 16, 3)
        # noise apart, a picture without a colour stays without one
        assert abs(view.mean(axis=(0, 1)) - view.mean()).max() < 5
