"""Where pictures come from, and that they get nowhere but into the folder."""

from __future__ import annotations

import fcntl
import zipfile

import pyarrow as pa
import pytest

from beekit.errors import DataError
from beekit.prepare.download import BusyError
from beekit.prepare.pictures import HeldPictures, LinkedPictures


def archive(path, names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(f"images/{name}", f"picture {name}")
    return path


def placed(pictures, folder, *tables):
    folder.mkdir()
    with pictures.placing(folder) as finish:
        return [finish(pa.table({"item_id": ids}))["image"].to_pylist() for ids in tables]


def test_an_archive_is_opened_once_for_all_pictures(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.zip", [f"{k}.jpg" for k in range(9)])
    opened = []
    original = zipfile.ZipFile

    def counted(*arguments):
        opened.append(arguments)
        return original(*arguments)

    monkeypatch.setattr("beekit.prepare.pictures.zipfile.ZipFile", counted)
    pictures = HeldPictures(path, lambda item: f"{item}.jpg")
    found = placed(pictures, tmp_path / "out", list("012"), list("78x"))
    assert found == [["0.jpg", "1.jpg", "2.jpg"], ["7.jpg", "8.jpg", None]]
    assert pictures.describe() == {"found": 5, "missing": 1}
    assert (tmp_path / "out" / "images" / "8.jpg").read_text() == "picture 8.jpg"
    assert len(opened) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_no_picture_is_taken_from_or_placed_elsewhere(tmp_path, packed):
    outside = tmp_path / "outside.jpg"
    names = [str(outside), "../outside.jpg", "a.jpg"]
    if packed:
        origin = archive(tmp_path / "a.zip", names)
    else:
        origin = tmp_path / "raw"
        (origin / "images").mkdir(parents=True)
        (origin / "images" / "a.jpg").write_text("picture a.jpg")
        (origin / "outside.jpg").write_text("other")
        outside.write_text("other")
    found = placed(HeldPictures(origin, str), tmp_path / "out", names)
    assert found == [[None, None, "a.jpg"]]
    assert (tmp_path / "out" / "images" / "a.jpg").read_text() == "picture a.jpg"
    assert not (tmp_path / "out" / "outside.jpg").exists()
    assert packed != outside.exists()


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)])
def test_a_locked_or_oddly_packed_archive_is_one_line(tmp_path, offset, value):
    path = archive(tmp_path / "a.zip", ["a.jpg"])
    content = bytearray(path.read_bytes())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    content[local + offset] = content[central + offset + 2] = value
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked") as caught:
        placed(HeldPictures(path, str), tmp_path / "out", ["a.jpg"])
    assert "\n" not in str(caught.value)


def test_a_picture_another_process_is_fetching_is_not_given_up(publisher, tmp_path):
    publisher.files["1.jpg"] = b"picture"
    (tmp_path / "out").mkdir()
    (tmp_path / "cache").mkdir()
    items = pa.table({"item_id": ["1"], "image_url": [f"{publisher.url}/1.jpg"]})
    with (
        (tmp_path / "cache" / "1.jpg.partial").open("ab") as file,
        LinkedPictures(tmp_path / "cache").placing(tmp_path / "out") as finish,
    ):
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BusyError):
            finish(items)
        fcntl.flock(file, fcntl.LOCK_UN)
        assert finish(items)["image"].to_pylist() == ["1.jpg"]
