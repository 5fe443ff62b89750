"""What reaches the Hub: all of a run or nothing, whatever fails on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from local_hub import Fault, metadata_errors

import beekit.hub.push
from beekit.cli import main
from beekit.errors import HubError, RunError
from beekit.hub.outgoing import MANIFEST
from beekit.hub.push import plan, push

REPO = "bee/shop"
OF_HUB = {".gitattributes"}

# Where it goes wrong, and how: once, so that the push has to end well by itself.
PASSING = [
    ("whoami", 500),
    ("whoami", "cut"),
    ("repos/create", 502),
    ("repos/create", "lost"),
    ("revision/main", 503),
    ("revision/main", "cut"),
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
    ("/tree/", 500),
    ("/tree/", "torn"),
]
# What does not pass, and a word of the line that says so.
LASTING = [
    ("whoami", 401, "token"),
    ("repos/create", 403, "no right to write"),
    ("PUT /lfs", 500, "answers 500"),
    ("PUT /lfs", "cut", "no whole answer"),
    ("objects/batch", 503, "answers 503"),
    ("/commit/", 500, "answers 500"),
    ("/commit/", "cut", "no whole answer"),
    ("/commit/", 412, "has changed"),
]


def require_whole_or_nothing(hub, run, **options):
    """The repository holds every file of the run, or none."""
    if REPO not in hub.repos:
        return
    there = set(hub.files(REPO)) - OF_HUB
    assert not there or there == set(plan(run, REPO, **options).files)


def require_whole(hub, run, **options):
    expected = dict(plan(run, REPO, **options).contents())
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


@pytest.mark.parametrize("moment", ["PUT /lfs", "/commit/", "/tree/"])
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
    hub.log.clear()
    push(text_run, REPO)
    require_whole(hub, text_run)
    again = {request.split("/")[2] for request in hub.log if request.startswith("PUT /lfs")}
    assert not again & stored, "what was there is not sent again"


def test_the_same_run_again_sends_nothing(hub, text_run):
    push(text_run, REPO)
    hub.log.clear()
    assert not push(text_run, REPO).changed
    assert not any("commit" in request or "lfs" in request for request in hub.log)


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


def test_a_commit_of_somebody_else_meanwhile_is_not_overwritten(hub, text_run, monkeypatch):
    push(text_run, REPO)
    hub.commit(REPO, {MANIFEST: b'{"files": {}}'})  # so that there is something to push
    real = beekit.hub.push._commit

    def late(api, repo, branch, found, *rest):
        hub.commit(REPO, {"note.md": b"mine"})
        return real(api, repo, branch, found, *rest)

    monkeypatch.setattr(beekit.hub.push, "_commit", late)
    with pytest.raises(HubError, match="has changed while"):
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
    assert set(hub.files(REPO)) == OF_HUB


@pytest.mark.parametrize(
    ("token", "repo", "word"),
    [
        (None, REPO, "no token"),
        ("hf_wrong", REPO, "token the Hub does not know"),
        ("hf_other", REPO, "no right to write to bee/shop"),
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
    assert "no whole answer from http://127.0.0.1" in capsys.readouterr().err.splitlines()[-1]


def test_a_dry_run_says_what_would_go_and_says_it_to_nobody(hub, text_run, capsys):
    assert main(["push", str(text_run), "--repo", REPO, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "model.safetensors" in said
    assert "nothing was sent" in said
    assert not hub.log


def test_a_run_without_model_or_results_is_refused(text_run, tmp_path):
    with pytest.raises(RunError, match=r"no results\.json"):
        plan(tmp_path, REPO)
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "config.yaml").write_text("{}")
    with pytest.raises(RunError, match="no model"):
        plan(tmp_path, REPO)


def test_the_hub_takes_the_metadata(hub, text_run, image_run, fused_run, shops_run):
    for run in (text_run, image_run, fused_run, shops_run):
        assert metadata_errors(plan(run, REPO).card) == []


def test_nothing_of_the_training_data_leaves_but_ids_of_items(text_run, fused_run, shops_run, shop):
    names = [text.partition(".")[0] for text in shop.texts]
    for run in (text_run, fused_run, shops_run):
        sent = dict(plan(run, REPO, index=run != shops_run).contents())
        told = {
            path: content.decode()
            for path, content in sent.items()
            if path.endswith((".json", ".yaml", ".md")) and "tokenizer" not in path
        }
        assert {"results.json", "config.yaml", "README.md", MANIFEST} <= set(told)
        for path, text in told.items():
            assert not any(name in text for name in names), f"{path} names an item"
            assert str(run.parent) not in text, f"{path} tells of this machine"
            assert "/tmp/" not in text, f"{path} tells of this machine"
        assert not any("held_out" in path or "thumbnails" in path for path in sent)
        assert not any(path.endswith("README.md") and path != "README.md" for path in sent)
        assert "neighbours" not in json.loads(sent["results.json"])
