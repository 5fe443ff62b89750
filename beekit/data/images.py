"""Pictures of items: where they lie, and what comes out when one is opened."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps, UnidentifiedImageError

from beekit.errors import DataError

# What a picture cannot be used for, as counted in warnings.
MISSING = "missing"
EMPTY = "empty"
BROKEN = "broken or cut off"
TOO_LARGE = "too large"
# What is done to a picture so that it can be used, as counted in warnings.
ANIMATED = "animated: first frame taken"
CMYK = "CMYK turned into RGB"
DEEP = "more than 8 bits a channel scaled to 8"
SEE_THROUGH = "transparent: laid on white"

# A picture of 100 million pixels takes 300 MB once open.
MAX_PIXELS = 100_000_000


class UnusableImageError(DataError):
    """A picture that cannot be used, and why: `kind` is one of the reasons above."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(
            found,
            expected="a whole picture in a format Pillow reads",
            remedy="Replace the file, or set missing_image=drop to leave such items out.",
        )
        self.kind = kind


@dataclass(frozen=True)
class ImageColumn:
    """Where the picture of each item is; nothing is read before it is asked for.

    Attributes:
        references: (items,) paths relative to `folder`, or structs of `bytes` and `path` as the
            `datasets` library keeps images; null where an item has none.
        folder: what paths are relative to.
        name: of the column.
    """

    references: pa.ChunkedArray
    folder: Path
    name: str = "image"

    def __post_init__(self) -> None:
        kind = self.references.type
        embedded = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        if not (embedded or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise DataError(
                f"an image column of type {kind}",
                expected="paths below images/, or structs of bytes and path",
                remedy="Name the column that holds the pictures.",
            )

    def __len__(self) -> int:
        return len(self.references)

    def take(self, keep: np.ndarray) -> ImageColumn:
        """The pictures of the items where `keep` (bool, items) holds."""
        return replace(self, references=self.references.filter(pa.array(keep)))

    def digest(self, order: np.ndarray) -> str:
        """SHA-256 over paths and embedded bytes in that order; what a file holds does not enter."""
        total = hashlib.sha256()
        for item in order.tolist():
            total.update(repr(self.references[item].as_py()).encode())
        return total.hexdigest()

    def read(self, item_index: int) -> bytes:
        """The file of an item's picture.

        Raises:
            UnusableImageError: it has none, or an empty one.
        """
        reference = self.references[item_index].as_py()
        if isinstance(reference, dict):
            data, reference = reference.get("bytes"), reference.get("path")
            if data is not None:
                return _not_empty(data, f"the embedded picture of item {item_index}")
        if not reference:
            raise UnusableImageError(MISSING, f"no picture for item {item_index}")
        root = self.folder.resolve()
        path = (root / reference).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise UnusableImageError(MISSING, f"no file {reference} in {self.folder}")
        return _not_empty(path.read_bytes(), str(path))


def _not_empty(data: bytes, name: str) -> bytes:
    if not data:
        raise UnusableImageError(EMPTY, f"{name} is empty")
    return data


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, list[str]]:
    """A picture as 8-bit RGB, upright, and what had to be done to it.

    Args:
        data: the file.
        max_pixels: larger ones are refused before they are decoded.

    Returns:
        the picture, and those of ANIMATED, CMYK, DEEP and SEE_THROUGH that apply.

    Raises:
        UnusableImageError: BROKEN or TOO_LARGE.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; the limit here is our own.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
        if image.width * image.height > max_pixels:
            raise UnusableImageError(
                TOO_LARGE, f"a picture of {image.width:,} x {image.height:,} pixels"
            )
        done = []
        if getattr(image, "n_frames", 1) > 1:
            image.seek(0)
            done.append(ANIMATED)
        image.load()
    except Image.DecompressionBombError as error:
        raise UnusableImageError(TOO_LARGE, f"a picture too large to open ({error})") from error
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, EOFError) as error:
        raise UnusableImageError(BROKEN, f"a picture that cannot be read ({error})") from error
    return _as_rgb(ImageOps.exif_transpose(image), done), done


def _as_rgb(image: Image.Image, done: list[str]) -> Image.Image:
    """The picture as RGB; adds to `done` what that takes."""
    if image.mode == "CMYK":
        done.append(CMYK)
    elif image.mode.startswith("I") or image.mode == "F":
        done.append(DEEP)
        top = 255 if image.mode == "F" else 65535
        image = image.convert("F").point(lambda value: value * (255 / top)).convert("L")
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        if layer.getchannel("A").histogram()[255] < layer.width * layer.height:
            done.append(SEE_THROUGH)
        white = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(white, layer)
    return image.convert("RGB")
