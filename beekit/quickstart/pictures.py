"""Pictures of the shop's products: a small drawing above a strip of printed labels.

The drawing shows the kind of product (a silhouette and a colour) on a background for its finish.
The number printed on the item is shown as a label of coloured cells, repeated along the lower edge.
Only the label shows which printer series an item belongs to. Each kind of product numbers its
series in a different order, so the labels of two kinds in the same series have nothing in common.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageEnhance

# Side lengths in pixels of the picture and of a label. The label is repeated so that it has enough
# weight in the mean over tokens; a small encoder did not notice a single label in a corner.
SIZE = 48
LABEL = 16

_CELLS = 4
_LABEL_COLOURS = ("#ffffff", "#1c2430", "#e0332c", "#1f6fd1")
_BACKGROUNDS = {"basic": "#e6edf2", "office": "#f7e3bd", "premium": "#56626f"}

# A drawing is a colour and shapes, which are painted in order. A shape is a form, a tone of the
# colour, and coordinates on a square of 48 by 48: left, top, right and bottom, or the corners of a
# polygon.
_DRAWINGS = """
laser printer: #5d88b8
    polygon paper 14 5 34 5 34 17 14 17
    box body 5 15 43 33
    box shade 5 15 43 21
    disc paper 36 16.5 39 19.5
    polygon ink 11 28 37 28 37 30 11 30
    polygon paper 13 29 34 29 34 39 13 39

toner cartridge: #4a4a58
    box body 3 16 45 28
    box shade 7 12 38 19
    box tint 3 22 45 25
    polygon body 8 27 34 27 30 34 12 34
    disc paper 38 17 43 22

imaging drum: #2f9b7c
    box shade 2 19 10 27
    box shade 38 19 46 27
    polygon body 9 9 39 9 39 37 9 37
    disc body 5 9 13 37
    disc tint 35 9 43 37
    polygon tint 10 14 35 14 35 18 10 18
    disc shade 37.5 19 40.5 27

paper tray: #b9a78c
    polygon shade 9 11 39 11 45 28 3 28
    polygon paper 12 8 36 8 40 25 8 25
    polygon rule 13 13 35 13 35 14 13 14
    polygon rule 12 17 36 17 36 18 12 18
    box body 3 25 45 38
    box ink 17 29 31 32

maintenance kit: #e58a2e
    box ink 15 7 33 20
    box gap 18 10 30 20
    box body 5 15 43 39
    polygon shade 5 24 43 24 43 27 5 27
    polygon paper 20 17.5 24 17.5 24 36 20 36
    polygon paper 13 25 31 25 31 29 13 29

fuser unit: #cf4a3c
    box ink 3 29 45 35
    box body 5 8 43 17
    box tint 5 10 43 12.5
    box body 5 19 43 28
    box tint 5 21 43 23.5
    box ink 3 6 9 35
    box ink 39 6 45 35

waste box: #8064ad
    polygon body 9 15 39 15 35 41 13 41
    box shade 6 11 42 16
    box ink 19 7 29 11
    polygon shade 16 19 18.5 19 19.5 37 17 37
    polygon shade 22.7 19 25.3 19 25.3 37 22.7 37
    polygon shade 29.5 19 32 19 31 37 28.5 37

travel case: #96633d
    box ink 17 9 31 20
    box gap 20 12 28 20
    box body 3 15 45 38
    polygon shade 10 15 14 15 14 38 10 38
    polygon shade 34 15 38 15 38 38 34 38
    disc tint 20 21 28 29
"""

# Drawings are scaled and moved to fit above the labels.
_SCALE, _OFFSET = 0.7, (7.2, -0.5)
# Drawings are made this many times larger and then scaled down, so that edges are smooth.
_FINER = 4


def draw_product(kind: str, finish: str, code: int, generator: np.random.Generator) -> Image.Image:
    """The picture of a product.

    `kind` and `finish` are names in the shop, `code` is the number printed on the product.
    `generator` moves the drawing by one or two pixels and changes the brightness by at most 8%, so
    that pictures differ.
    """
    shift = generator.integers((-2, -1), (3, 2))
    colour, *shapes = _DRAWINGS.partition(f"\n{kind}: ")[2].partition("\n\n")[0].splitlines()
    tones = {
        "body": colour,
        "shade": _mixed(colour, "#10151c", 0.35),
        "tint": _mixed(colour, "#ffffff", 0.55),
        "paper": "#ffffff",
        "rule": "#c2c9d0",
        "ink": "#2a313b",
        "gap": _BACKGROUNDS[finish],
    }
    large = Image.new("RGB", (SIZE * _FINER, SIZE * _FINER), _BACKGROUNDS[finish])
    draw = ImageDraw.Draw(large)
    for line in shapes:
        shape, tone, *numbers = line.split()
        points = np.reshape([float(number) for number in numbers], (-1, 2))
        points = (points * _SCALE + _OFFSET + shift) * _FINER
        flat = [float(value) for value in points.ravel()]
        if shape == "box":
            draw.rounded_rectangle(flat, radius=2 * _FINER, fill=tones[tone])
        elif shape == "disc":
            draw.ellipse(flat, fill=tones[tone])
        else:
            draw.polygon(flat, fill=tones[tone])
    small = large.resize((SIZE, SIZE), Image.Resampling.BOX)
    picture = ImageEnhance.Brightness(small).enhance(generator.uniform(0.92, 1.08))
    top = SIZE - LABEL
    ImageDraw.Draw(picture).rectangle((0, top - 1, SIZE, SIZE), fill="#ffffff")
    for left in range(0, SIZE, LABEL):
        picture.paste(draw_label(code), (left, top))
    return picture


def draw_label(code: int) -> Image.Image:
    """A printed number as a square of coloured cells, which depend only on the number."""
    cells = np.random.default_rng(code).integers(len(_LABEL_COLOURS), size=(_CELLS, _CELLS))
    colours = np.array([_rgb(colour) for colour in _LABEL_COLOURS], dtype=np.uint8)
    return Image.fromarray(colours[cells]).resize((LABEL, LABEL), Image.Resampling.NEAREST)


def png(picture: Image.Image) -> bytes:
    """The picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _mixed(colour: str, other: str, share: float) -> str:
    mixed = (1 - share) * _rgb(colour) + share * _rgb(other)
    return "#{:02x}{:02x}{:02x}".format(*mixed.round().astype(int))


def _rgb(colour: str) -> np.ndarray:
    return np.array(ImageColor.getrgb(colour), dtype=float)
