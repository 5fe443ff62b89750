"""Paths of a configuration lead to one place, however they are written."""

from __future__ import annotations

from beekit.run.config import make_config
from beekit.run.locations import absolute


def test_one_place_is_one_path_however_it_is_written(tmp_path, monkeypatch):
    for name in ("shop", "here", "encoder"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "here", target_is_directory=True)
    (tmp_path / "weights.pt").touch()
    monkeypatch.chdir(tmp_path / "here")

    def placed(data, encoder):
        return absolute(make_config({"data": data, "out": "../out", "encoder": encoder}))

    config = placed("../shop", "open_clip:ViT-B-32/../weights.pt")
    assert config.data == str(tmp_path / "shop")
    assert config.out == str(tmp_path / "out")
    assert config.encoder == f"open_clip:ViT-B-32/{tmp_path / 'weights.pt'}"
    assert placed("../linked/../here/../shop", "../encoder").data == str(tmp_path / "shop")
    assert placed("../shop", "open_clip:ViT-B-32/openai").encoder == "open_clip:ViT-B-32/openai"


def test_a_link_is_followed_before_the_folder_above_it(tmp_path, monkeypatch):
    (tmp_path / "disk" / "shops").mkdir(parents=True)
    (tmp_path / "disk" / "shop").mkdir()
    (tmp_path / "shops").symlink_to(tmp_path / "disk" / "shops", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    data = absolute(make_config({"data": "shops/../shop", "out": "o", "encoder": "e"})).data
    assert (tmp_path / "disk" / "shop").samefile(data)
