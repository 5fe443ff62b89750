"""A synthetic shop in which items with similar texts are not those that are used together.

Every printer series needs supplies: a toner, a drum, a paper tray, and so on. A customer owns a few
series and buys supplies for them. But texts are mostly about the kind of product: the text of a
toner is like that of every other toner, and the printer that it fits has another code. So the most
similar text is that of a toner for another printer, while the right recommendation is an item for
the same printer. Pictures show the same as texts: the kind of product, and the code as a label of
coloured cells. The rule is known, so the right answer is known too: items of the customer's series.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beekit.files import replacing_folder
from beekit.quickstart.pictures import draw_product, png

_KINDS = {
    "laser printer": "prints documents fast and quietly for the busy home office desk",
    "toner cartridge": "high yield replacement with deep even colour for sharp printed text",
    "imaging drum": "long life replacement unit that keeps every printed page clean and even",
    "paper tray": "sturdy extra cassette that holds many sheets and feeds without a jam",
    "maintenance kit": "rollers and cleaning parts that restore a smooth feed after heavy use",
    "fuser unit": "heating part that bonds every letter to the sheet and lasts for years",
    "waste box": "collects spent powder so the inside stays clean and service is simple",
    "travel case": "padded carrying bag with soft lining that keeps equipment safe on the road",
}
_FINISHES = ("basic", "office", "premium")
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# With gaps, one of this many items in a row has no text, and one has no picture.
_GAP = 5


@dataclass(frozen=True)
class Shop:
    """The catalog and sales of the shop.

    Attributes:
        titles, texts: (items,) title and text of each item.
        pictures: (items,) picture of each item as a PNG file.
        series: (items,) the printer series of each item; encoders do not get it.
        kinds: (items,) the kind of product, as a number.
        codes: (items,) the number printed on an item, in its title and on its picture's label.
        users, items: (sales,) user and item index of each sale.
    """

    titles: list[str]
    texts: list[str]
    pictures: list[bytes]
    series: np.ndarray
    kinds: np.ndarray
    codes: np.ndarray
    users: np.ndarray
    items: np.ndarray

    def save(self, folder: str | Path, *, gaps: bool = False) -> None:
        """Write a dataset folder, with the pictures inside the column `image` of its items.

        This is the format of the `datasets` library. The column could also hold paths of files
        below `images/` in the folder.

        Args:
            folder: the folder to write.
            gaps: leave out the text of every fifth item, and the picture of the item after each of
                these.
        """
        with replacing_folder(folder) as staging:
            item_ids = np.arange(1, len(self.titles) + 1)
            texts: list[str | None] = list(self.texts)
            pictures: list[dict[str, bytes | None] | None] = [
                {"bytes": file, "path": None} for file in self.pictures
            ]
            if gaps:
                texts[::_GAP] = [None] * len(texts[::_GAP])
                pictures[1::_GAP] = [None] * len(pictures[1::_GAP])
            catalog = {
                "item_id": item_ids,
                "title": self.titles,
                "text": texts,
                "image": pa.array(pictures, _IMAGE),
                "series": self.series,
            }
            sales = {"user_id": self.users + 1, "item_id": item_ids[self.items]}
            pq.write_table(pa.table(catalog), staging / "items.parquet")
            pq.write_table(pa.table(sales), staging / "interactions.parquet")


def make_shop(series: int = 48, customers: int = 3000, seed: int = 0) -> Shop:
    """Generate the shop.

    Each kind of product has its own code for each series (for example LP127 for a printer and TC281
    for its toner), so items of the same series share no word and no label. Every kind and series
    comes in several finishes. A customer owns two or three series and buys about half a dozen
    products of each; one purchase in ten is a random item.

    Args:
        series, customers: numbers of printer series and of customers.
        seed: seed of all random draws.
    """
    generator = np.random.default_rng(seed)
    drawing = np.random.default_rng([seed, 1])  # a generator of its own, so sales do not change
    products = []
    for number, (kind, blurb) in enumerate(_KINDS.items()):
        initials = "".join(word[0] for word in kind.split()).upper()
        codes = generator.permutation(series) + 100 * (number + 1)
        for member in range(series):
            for finish in _FINISHES:
                title = f"{finish} {kind} {initials}{codes[member]}"
                picture = png(draw_product(kind, finish, int(codes[member]), drawing))
                text = f"{title}. {blurb}"
                products.append((title, text, picture, member, number, codes[member]))
    titles, texts, pictures, *rule = map(list, zip(*products, strict=True))
    hidden, kinds, printed = map(np.array, rule)
    per_series = [np.flatnonzero(hidden == member) for member in range(series)]
    users, items = [], []
    for customer in range(customers):
        owned = generator.choice(series, generator.integers(2, 4), replace=False)
        chosen = (per_series[member] for member in owned)
        bought = [generator.choice(c, generator.integers(4, 9), replace=False) for c in chosen]
        basket = np.concatenate(bought)
        stray = generator.random(len(basket)) < 0.1
        basket[stray] = generator.integers(len(hidden), size=int(stray.sum()))
        basket = np.unique(basket)
        users.append(np.full(len(basket), customer))
        items.append(basket)
    sales = (np.concatenate(users), np.concatenate(items))
    return Shop(titles, texts, pictures, hidden, kinds, printed, *sales)
