"""The package: instant to import, importing one way, and alone in its wheel."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import beekit

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    Requirement(line)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in group
]
# Beside what they promise, beekit uses their internals, or they go only with certain others.
CLOSE = (
    *("torch", "transformers", "sentence-transformers", "peft", "accelerate", "datasets"),
    *("faiss-gpu", "faiss-cpu", "open_clip_torch", "huggingface_hub"),
    *("onnx", "onnxscript", "onnxruntime", "openvino"),
)
# The way of the data: a package imports only from those before it.
ORDER = (
    *("data", "prepare", "describe", "split", "encoders", "training", "ranking", "index"),
    *("evaluation", "models", "report", "hub", "run", "export", "quickstart"),
)


def test_import_needs_neither_torch_nor_faiss_and_is_quick():
    code = (
        "import sys, time; t = time.perf_counter(); import beekit; "
        "assert time.perf_counter() - t < 0.5; "
        "assert not {'torch', 'faiss', 'numpy', 'open_clip', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    assert all(getattr(beekit, name) is not None for name in beekit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = beekit.nothing


@pytest.mark.parametrize("name", sorted({one.name for one in REQUIREMENTS} - {"beekit"}))
def test_what_is_installed_is_what_was_tested(name):
    """A new release outside the ranges is named here, before it fails anywhere else."""
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    for asked in (one for one in REQUIREMENTS if one.name == name):
        assert asked.specifier.contains(installed, prereleases=True), (
            f"{name} {installed} is installed, and pyproject.toml asks for {asked.specifier}, "
            "the range that was tested. Install the project again, or test the new release and "
            "move the range (tests/README.md, Version bounds)."
        )


def test_installed_packages_go_together():
    """What each of our packages asks of the others holds: none came out that wants another."""
    ours = {one.name.lower().replace("_", "-") for one in REQUIREMENTS}
    for name in sorted(ours - {"beekit"}):
        try:
            asks = [Requirement(line) for line in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:
            continue
        for asked in asks:
            if asked.marker is not None and not asked.marker.evaluate({"extra": ""}):
                continue
            installed = metadata.version(asked.name)
            assert asked.specifier.contains(installed, prereleases=True), (
                f"{name} {metadata.version(name)} asks for {asked}, and {installed} is installed"
            )


def test_close_packages_have_an_upper_bound():
    for name in CLOSE:
        ranges = [one.specifier for one in REQUIREMENTS if one.name == name]
        assert ranges, name
        for bounds in ranges:
            assert {"<", ">="} <= {bound.operator for bound in bounds}, f"{name}{bounds}"


def test_imports_point_one_way():
    for path in (ROOT / "beekit").rglob("*.py"):
        package = path.relative_to(ROOT / "beekit").parts[0]
        if package not in ORDER:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            parts = node.module.split(".")
            if parts[0] == "beekit" and len(parts) > 1 and parts[1] in ORDER:
                assert ORDER.index(parts[1]) <= ORDER.index(package), f"{path}: {node.module}"


def test_preparing_and_describing_do_without_each_other():
    for package, other in (("prepare", "describe"), ("describe", "prepare")):
        for path in (ROOT / "beekit" / package).rglob("*.py"):
            assert f"beekit.{other}" not in path.read_text(), path


def test_modules_stay_small():
    for path in (ROOT / "beekit").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_wheel_holds_beekit_alone(tmp_path):
    # From a copy, so that nothing an earlier build left behind gets in, nor anything stays.
    source, ignored = tmp_path / "source", (".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(*ignored))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"beekit", f"beekit-{beekit.__version__}.dist-info"}
    for needed in ("py.typed", "report/report.html.j2", "hub/card.md.j2"):
        assert f"beekit/{needed}" in names
    for command, folder in (("train", "train"), ("evaluate", "eval")):
        files = {path.name for path in (ROOT / folder / "recipes").iterdir()}
        assert {Path(name).name for name in names if f"recipes/{command}/" in name} == files


@pytest.mark.parametrize(
    "name",
    [
        *('"fine-tuned"', '"pretrained"', "calibrated_recall@20", '"results.json"', "index.json"),
        *('"config.yaml"', "users.faiss", '"thumbnails.json"', '"table.csv"', '["datasets"]'),
    ],
)
def test_what_runs_and_indexes_call_things_stands_once(name):
    code = {path: path.read_text() for path in (ROOT / "beekit").rglob("*.py")}
    assert sum(text.count(name) for text in code.values()) == 1, [
        str(path.relative_to(ROOT)) for path, text in code.items() if name in text
    ]
