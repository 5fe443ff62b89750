"""What reaches the Hub: all of a run or nothing, whatever fails on the way."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import CommitOperationAdd, HfApi
from local_hub import Fault, metadata_errors

from beekit.cli import main
from beekit.errors import HubError, RunError
from beekit.hub.card_facts import Facts
from beekit.hub.manifest import MANIFEST
from beekit.hub.push import push
from beekit.hub.upload_files import CARD, files_to_upload, read

REPO = "bee/shop"
OF_HUB = {".gitattributes"}

# Where it goes wrong, and how: once, so that the push has to end well by itself.
PASSING = [
    ("whoami", 500),
    ("whoami", "cut"),
    ("repos/create", 502),
    ("repos/create", "lost"),
    ("GET /api/models/bee/shop$", 503),
    ("GET /api/models/bee/shop$", "cut"),
    ("validate-yaml", 500),
    ("validate-yaml", "cut"),
    ("preupload", 500),
    ("preupload", "lost"),
    ("objects/batch", 504),
    ("objects/batch", "cut"),
    ("PUT /lfs", 500),
    ("PUT /lfs", "cut"),
    ("PUT /lfs", "lost"),
    ("PUT /lfs", "slow"),
    ("complete", 500),
    ("verify", 500),
    ("/commit/", 500),
    ("/commit/", "cut"),
    ("/commit/", "lost"),
    ("GET /api/models/bee/shop/revision/main", 500),
    ("GET /api/models/bee/shop/revision/main", "torn"),
]
# What does not pass, and a word of the line that says so.
LASTING = [
    ("whoami", 401, "token"),
    ("repos/create", 403, "no permission"),
    ("PUT /lfs", 500, "answers 500"),
    ("PUT /lfs", "cut", "no complete answer"),
    ("objects/batch", 503, "answers 503"),
    ("/commit/", 500, "answers 500"),
    ("/commit/", "cut", "no complete answer"),
    ("/commit/", 412, "was changed by somebody else"),
]


def require_whole_or_nothing(hub, run, **options):
    """The repository holds every file of the run, or none."""
    if REPO not in hub.repos:
        return
    there = set(hub.files(REPO)) - OF_HUB
    assert not there or there == set(files_to_upload(run, REPO, **options))


def require_whole(hub, run, **options):
    expected = {path: read(c) for path, c in files_to_upload(run, REPO, **options).items()}
    assert {path: hub.files(REPO)[path] for path in expected} == expected
    assert set(hub.files(REPO)) == set(expected) | OF_HUB


@pytest.mark.parametrize(("where", "kind"), PASSING)
def test_a_passing_fault_is_got_over(hub, text_run, where, kind):
    hub.faults = [Fault(where, kind)]
    assert push(text_run, REPO).changed
    assert hub.faults[0].times == 0, "the fault did not happen"
    require_whole(hub, text_run)
    assert len(hub.repos[REPO].commits) == 2, "the Hub's own first commit, and one"


@pytest.mark.parametrize(("where", "kind", "word"), LASTING)
def test_a_lasting_fault_ends_in_one_line_and_the_same_command_goes_on(
    hub, text_run, where, kind, word, capsys
):
    hub.faults = [Fault(where, kind, times=10_000)]
    assert main(["push", str(text_run), "--repo", REPO]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("beekit: ")
    assert word in said
    require_whole_or_nothing(hub, text_run)
    hub.faults = []
    assert main(["push", str(text_run), "--repo", REPO]) == 0
    require_whole(hub, text_run)


@pytest.mark.parametrize("moment", ["PUT /lfs", "/commit/"])
def test_a_killed_push_is_taken_up_by_the_same_command(hub, text_run, moment, tmp_path):
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [sys.executable, "-m", "beekit.cli", "push", str(text_run), "--repo", REPO]
    hub.faults = [Fault(moment, "slow", times=10_000)]
    process = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    while not any(re.search(moment, request) for request in hub.log):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    require_whole_or_nothing(hub, text_run)
    hub.faults, stored = [], set(hub.objects)
    assert stored or moment == "PUT /lfs"
    hub.log.clear()
    push(text_run, REPO)
    require_whole(hub, text_run)
    again = {request.split("/")[2] for request in hub.log if request.startswith("PUT /lfs")}
    assert not again & stored, "what was there is not sent again"


def test_the_same_run_again_sends_nothing(hub, text_run):
    push(text_run, REPO)
    hub.log.clear()
    assert not push(text_run, REPO).changed
    assert not any("/commit/" in request or "PUT" in request for request in hub.log)


def test_another_run_takes_the_place_of_the_earlier_with_nothing_left_of_it(
    hub, fused_run, text_run
):
    push(fused_run, REPO)
    assert "image/model.safetensors" in hub.files(REPO)
    push(text_run, REPO)
    require_whole(hub, text_run)


def test_an_index_goes_on_request_without_names_of_items(hub, text_run, shop):
    push(text_run, REPO, index=True)
    require_whole(hub, text_run, index=True)
    assert shop.texts[0].partition(".")[0].encode() not in hub.files(REPO)["index/items.parquet"]


def test_files_of_others_are_left_alone(hub, text_run, capsys):
    hub.create(REPO)
    hub.commit(REPO, {"pytorch_model.bin": b"weights of somebody"})
    assert main(["push", str(text_run), "--repo", REPO]) == 2
    assert "holds other files (pytorch_model.bin)" in capsys.readouterr().err
    assert hub.files(REPO)["pytorch_model.bin"] == b"weights of somebody"


def test_a_commit_of_somebody_else_meanwhile_is_not_overwritten(
    hub, text_run, fused_run, monkeypatch
):
    push(fused_run, REPO)  # so that there is something to push
    real = HfApi.create_commit

    def late(*given, **named):
        hub.commit(REPO, {"note.md": b"mine"})
        return real(*given, **named)

    monkeypatch.setattr(HfApi, "create_commit", late)
    with pytest.raises(HubError, match="was changed by somebody else during this push"):
        push(text_run, REPO)
    assert hub.files(REPO)["note.md"] == b"mine"


def test_private_is_private_and_never_pushed_to_a_public_repository(hub, text_run):
    push(text_run, REPO, private=True)
    assert hub.repos[REPO].private
    hub.create("bee/open")
    with pytest.raises(HubError, match="is public"):
        push(text_run, "bee/open", private=True)
    assert set(hub.files("bee/open")) == OF_HUB


def test_a_branch_and_a_pull_request_leave_main_as_it_is(hub, text_run):
    hub.create(REPO)
    push(text_run, REPO, revision="v2")
    assert MANIFEST in hub.files(REPO, "v2")
    pushed = push(text_run, REPO, create_pr=True)
    assert "discussions/1" in pushed.url
    assert MANIFEST in hub.files(REPO, "refs/pr/1")
    push(text_run, REPO, revision="refs/pr/1")
    assert set(hub.files(REPO)) == OF_HUB
    with pytest.raises(HubError, match="one of them"):
        push(text_run, REPO, revision="v2", create_pr=True)


def test_a_pull_request_takes_no_right_to_write(hub, text_run, monkeypatch):
    hub.create(REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    push(text_run, REPO, create_pr=True)
    assert MANIFEST in hub.files(REPO, "refs/pr/1")


def test_a_pull_request_whose_answer_is_lost_is_not_opened_twice(hub, text_run):
    hub.create(REPO)
    hub.faults = [Fault("/commit/", "lost")]
    with pytest.raises(HubError, match="Look at the repository's page"):
        push(text_run, REPO, create_pr=True)
    assert hub.repos[REPO].pull_requests == 1


def test_metadata_the_hub_refuses_costs_no_upload(hub, text_run, capsys, tmp_path):
    (tmp_path / "card.yaml").write_text("license: my-own\n")
    command = ["push", str(text_run), "--repo", REPO, "--card", str(tmp_path / "card.yaml")]
    assert main(command) == 2
    assert "license 'my-own' is not one of the Hub's" in capsys.readouterr().err
    assert not hub.repos
    assert not any("lfs" in request for request in hub.log)


def test_a_damaged_repository_is_made_whole_by_the_same_command(hub, text_run):
    push(text_run, REPO)
    damaged = {p: c for p, c in hub.files(REPO).items() if p != "model.safetensors"}
    hub._committed(hub.repos[REPO], "main", damaged)
    assert push(text_run, REPO).changed
    require_whole(hub, text_run)


def test_a_card_edited_on_the_hub_stays_until_another_run_is_pushed(
    hub, text_run, image_run, caplog
):
    push(text_run, REPO)
    hub.commit(REPO, {"README.md": hub.files(REPO)["README.md"] + b"\nThanks to all.\n"})
    assert not push(text_run, REPO).changed
    assert b"Thanks to all" in hub.files(REPO)["README.md"]
    push(image_run, REPO)
    assert "was edited on the Hub, and is replaced" in caplog.text


def test_a_card_that_says_more_is_pushed_again(hub, text_run):
    push(text_run, REPO)
    assert push(text_run, REPO, facts=Facts(license="mit")).changed
    assert b"license: mit" in hub.files(REPO)["README.md"]
    assert not push(text_run, REPO, facts=Facts(license="mit")).changed


def test_a_commit_that_arrives_after_its_answer_was_given_up_is_ours(hub, text_run, monkeypatch):
    real = HfApi.create_commit

    def slow(api, repo, operations, **named):
        """The first answer is lost, and the commit is there when the second is made."""
        monkeypatch.setattr(HfApi, "create_commit", overtaken)
        raise ConnectionError

    def overtaken(api, repo, operations, **named):
        monkeypatch.setattr(HfApi, "create_commit", real)
        real(api, repo, operations, **named)
        hub.faults = [Fault("/commit/", 412)]
        return real(api, repo, [CommitOperationAdd("late", b"late")], **named)

    monkeypatch.setattr(HfApi, "create_commit", slow)
    assert push(text_run, REPO).changed
    require_whole(hub, text_run)
    assert len(hub.repos[REPO].commits) == 2


def test_a_repository_that_keeps_files_out_is_told(hub, text_run, fused_run):
    push(text_run, REPO)
    hub.commit(REPO, {".gitignore": b"image/*\n"})
    with pytest.raises(HubError, match=r"not in commit .*image/.*\.gitignore"):
        push(fused_run, REPO)


def test_a_repository_made_on_the_web_with_a_licence_is_a_new_one(hub, text_run):
    hub.create(REPO)
    hub.commit(REPO, {"README.md": b"---\nlicense: mit\n---\n"})
    push(text_run, REPO)
    require_whole(hub, text_run)


@pytest.mark.parametrize("manifest", [b"{}", b"[]", b"no", b'{"files": ["a"]}', b'{"files": {}}'])
def test_a_manifest_of_somebody_else_is_told_in_one_line(hub, text_run, manifest):
    hub.create(REPO)
    hub.commit(REPO, {MANIFEST: manifest})
    with pytest.raises(HubError, match="is damaged, or not written by beekit"):
        push(text_run, REPO)


def test_storage_that_refuses_is_told_in_one_line(hub, text_run, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    assert main(["push", str(text_run), "--repo", REPO]) == 2
    assert "no permission to do this with bee/shop" in capsys.readouterr().err.splitlines()[-1]
    require_whole_or_nothing(hub, text_run)


@pytest.mark.parametrize(
    ("token", "repo", "word"),
    [
        (None, REPO, "no token"),
        ("hf_wrong", REPO, "token that the Hub does not know"),
        ("hf_other", REPO, "no permission to do this with bee/shop"),
        ("hf_bee", "bee", "user/name"),
        ("hf_bee", "bee/with space", "user/name"),
    ],
)
def test_who_may_not_push_is_told_in_one_line(
    hub, text_run, monkeypatch, token, repo, word, capsys
):
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    assert main(["push", str(text_run), "--repo", repo]) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert word in said
    assert not hub.repos


def test_no_network_is_told_in_one_line(hub, text_run, capsys):
    hub.server.shutdown()
    hub.server.server_close()
    assert main(["push", str(text_run), "--repo", REPO]) == 2
    assert "no complete answer from http://127.0.0.1" in capsys.readouterr().err.splitlines()[-1]


def test_a_dry_run_says_what_would_go_and_says_it_to_nobody(hub, text_run, capsys):
    assert main(["push", str(text_run), "--repo", REPO, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "model.safetensors" in said
    assert "nothing was sent" in said
    assert not hub.log


@pytest.fixture
def copied(text_run, tmp_path) -> Path:
    return shutil.copytree(text_run, tmp_path / "copied")


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ("results.json", r"no results\.json"),
        ("model", "no model in"),
        ("model/model.safetensors", "no complete model"),
        ("split/split.json", r"no split/split\.json"),
        ("split/candidates.parquet", r"no split/candidates\.parquet"),
        ("index/items.faiss", r"no index/items\.faiss"),
    ],
)
def test_an_incomplete_run_is_refused(copied, missing, word):
    path = copied / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(RunError, match=word):
        files_to_upload(copied, REPO, index=True)


@pytest.mark.parametrize("name", ["users.csv", "checkpoint-1/training_args.bin", "old.pt"])
def test_what_is_no_part_of_a_model_does_not_leave_with_it(copied, name):
    path = copied / "model" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    (copied / "model" / ".git").mkdir()
    (copied / "model" / ".git" / "config").write_text("token")
    (copied / "index" / "debug_users.parquet").write_bytes(b"mine")
    with pytest.raises(HubError, match=f"a file {name}"):
        files_to_upload(copied, REPO, index=True)
    path.unlink()
    assert not any("git" in p or "debug" in p for p in files_to_upload(copied, REPO, index=True))


def test_settings_that_are_nobodys_business_stay_here(copied):
    config = yaml.safe_load((copied / "config.yaml").read_text())
    config["training"] |= {"run_name": "acme-client", "learning_rate": 0.5}
    config["trust_remote_code"] = True
    (copied / "config.yaml").write_text(yaml.safe_dump(config))
    told = yaml.safe_load(files_to_upload(copied, REPO)["config.yaml"])
    assert told["training"]["learning_rate"] == 0.5
    assert "run_name" not in told["training"]
    assert "trust_remote_code" not in told
    assert "out" not in told


def test_a_path_in_a_file_of_the_model_keeps_the_run_here(copied, encoder_folder):
    (copied / "model" / "notes.json").write_text(f'{{"from": "{encoder_folder}"}}')
    with pytest.raises(HubError, match=r"notes\.json names"):
        files_to_upload(copied, REPO)


def test_the_hub_takes_the_metadata(hub, text_run, image_run, fused_run, shops_run):
    for run in (text_run, image_run, fused_run, shops_run):
        assert metadata_errors(read(files_to_upload(run, REPO)[CARD]).decode()) == []


def test_nothing_of_the_training_data_leaves_but_ids_of_items(text_run, fused_run, shops_run, shop):
    names = [text.partition(".")[0].encode() for text in shop.texts]
    for run in (text_run, fused_run, shops_run):
        sent = {p: read(c) for p, c in files_to_upload(run, REPO, index=run != shops_run).items()}
        assert {"results.json", "config.yaml", "README.md", MANIFEST} <= set(sent)
        for path, content in sent.items():
            assert not any(name in content for name in names), f"{path} names an item"
            assert str(run.parent).encode() not in content, f"{path} tells of this machine"
            if path.endswith(".parquet"):
                columns = set(pq.read_schema(io.BytesIO(content)).names)
                assert columns <= {"item_id", "part", "label", "cold", "content"}, path
                table = pq.read_table(io.BytesIO(content))
                if "label" in columns:
                    assert table["label"].to_pylist() == list(
                        map(str, table["item_id"].to_pylist())
                    )
        assert not any("held_out" in path or "thumbnails" in path for path in sent)
        assert [path for path in sent if path.endswith("README.md")] == ["README.md"]
        assert "neighbours" not in json.loads(sent["results.json"])
