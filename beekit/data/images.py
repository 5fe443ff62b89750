"""What comes out when the picture of an item is opened."""

from __future__ import annotations

import io
import warnings

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
