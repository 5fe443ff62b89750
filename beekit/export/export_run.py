"""`beekit export`: exporting a run's encoder or items to files that can be used without beekit."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from beekit.errors import ConfigError, ExportError
from beekit.export.libraries import NEEDED, need
from beekit.files import replacing_folder
from beekit.folder_lock import alone_in, require_new
from beekit.run.resume import saved_config
from beekit.run_folder import RunFolder, require_own_place

FORMATS = (*NEEDED, "faiss")


class Exported(NamedTuple):
    """The folder of an export, and one line on each check."""

    folder: Path
    summary: tuple[str, ...]


def export(
    run: str | Path, format: str, out: str | Path | None = None, *, factory: str | None = None
) -> Exported:
    """Export a run and check the exported files; if the check fails, nothing is kept.

    OpenVINO stays loaded in the process. A training in the same process, with forked loader
    workers, has ended in a segmentation fault; so train in another process.

    Args:
        run: the run folder. For a run on several datasets: that folder or the folder of a dataset
            to export the encoder, and the folder of a dataset to export items.
        format: "onnx" or "openvino" for the encoder, "faiss" for the items.
        out: the folder to make; None for RUN/FORMAT.
        factory: FAISS factory string of an approximate index to export too; only for "faiss".

    Raises:
        ConfigError: if `format` is not one of `FORMATS`, if `factory` is given with a format other
            than "faiss", or if FAISS cannot make such an index.
        RunError: if the run is not finished or has no model, if `out` is inside another run or is
            the place of a part of this run, or if another process uses the folder.
        ExportError: if `out` exists, if a library is missing, if the encoder cannot be exported, or
            if the export does not give the results of the run.
        EncoderError: if the encoder cannot be loaded, or does not make tokens or pixels.
    """
    folder = RunFolder(Path(run))
    if format not in FORMATS:
        known = f"one of {', '.join(FORMATS)}"
        raise ConfigError(f"format {format!r}", expected=known, remedy="Choose one of those.")
    if factory is not None and format != "faiss":
        expected = "a factory only with the format faiss"
        found = f"a factory with the format {format}"
        raise ConfigError(found, expected=expected, remedy="Leave out the factory.")
    target = folder.path / format if out is None else Path(out)
    folder.require_config()
    folder.require_kind("training", "quickstart")
    folder.require_not_repeated()
    if format == "faiss":
        folder.require_one_dataset()
    folder.require_model("a finished run of `beekit train`, not one that compares its encoder")
    require_own_place(target, [folder.path])
    inside = folder.path.resolve() in target.resolve().parents
    with alone_in(folder.whole.path if inside else target):
        require_new(target, ExportError)
        folder.require_as_trained()
        # Imported here: these take seconds, and a mistake above shows before.
        from beekit.export.encoder import export_encoder
        from beekit.export.items import export_items
        from beekit.run.encoder import run_encoder

        if format == "faiss":
            with replacing_folder(target) as staging:
                return Exported(target, (export_items(folder, staging, factory),))
        need(format)
        config = saved_config(folder)
        encoder = run_encoder(folder, config, device="cpu")
        with replacing_folder(target) as staging:
            return Exported(target, export_encoder(encoder, config, staging, format))
