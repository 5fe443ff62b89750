"""What comes out when the picture of an item is opened."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from beekit.errors import DataError

# What a picture cannot be used for, as counted in warnings.
MISSING = "missing"
EMPTY = "empty"
BROKEN = "broken or cut off"
TOO_LARGE = "too large"
TOO_NARROW = "too narrow"
UNREADABLE = "unreadable"
NO_SCALE = "without a known brightness scale"
# What is done to a picture so that it can be used, as counted in warnings.
ANIMATED = "of several frames: first one taken"
CMYK = "CMYK turned into RGB"
DEEP = "more than 8 bits a channel scaled to 8"
SEE_THROUGH = "transparent: laid on white"

# A picture of 100 million pixels takes 300 MB once open.
MAX_PIXELS = 100_000_000
# Preprocessing that scales the short side up makes the long one as much longer.
MAX_RATIO = 100
# The brightest of 16 bits.
_DEEPEST = 65535


class UnusableImageError(DataError):
    """A picture that cannot be used, and why: `kind` is one of the reasons above."""

    def __init__(self, kind: str, found: str) -> None:
        super().__init__(
            found,
            expected="a whole picture in a format Pillow reads",
            remedy="Replace the file, or set missing_image=drop to leave such items out.",
        )
        self.kind = kind


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, list[str]]:
    """A picture as 8-bit RGB, upright, and what had to be done to it.

    Returns:
        the picture, and those of ANIMATED, CMYK, DEEP and SEE_THROUGH that apply. Colours of 16
        bits a channel are 8 as soon as Pillow has read them, and not among these.

    Raises:
        UnusableImageError: if the picture is broken (BROKEN), if it has more than `max_pixels`
            pixels, seen before it is decoded (TOO_LARGE), if one side is more than 100 times as
            long as the other (TOO_NARROW), or if nothing says which number is white (NO_SCALE).
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and odd files; the limits here are our own.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            short, long = sorted(image.size)
            if short * long > max_pixels or long > MAX_RATIO * short:
                kind = TOO_LARGE if short * long > max_pixels else TOO_NARROW
                found = f"a picture of {image.width:,} x {image.height:,} pixels"
                raise UnusableImageError(kind, found)
            done = []
            # Photos of phones carry a preview as a second frame.
            if getattr(image, "is_animated", False) and image.format != "MPO":
                image.seek(0)
                done.append(ANIMATED)
            image.load()
            return _as_rgb(ImageOps.exif_transpose(image), done), done
    except UnusableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise UnusableImageError(TOO_LARGE, f"a picture too large to open ({error})") from error
    except Exception as error:
        raise UnusableImageError(BROKEN, f"a picture that cannot be read ({error})") from error


def _as_rgb(image: Image.Image, done: list[str]) -> Image.Image:
    """The picture as RGB; adds to `done` what that takes."""
    if image.mode == "CMYK":
        done.append(CMYK)
    elif image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        if image.mode == "F" or values.min() < 0 or values.max() > _DEEPEST:
            raise UnusableImageError(NO_SCALE, f"a picture of mode {image.mode}")
        done.append(DEEP)
        image = Image.fromarray((values * (255 / _DEEPEST)).round().astype(np.uint8))
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        if layer.getchannel("A").histogram()[255] < layer.width * layer.height:
            done.append(SEE_THROUGH)
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")
