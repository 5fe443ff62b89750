"""The filters as loops over rows: slow, and plain to see."""

from __future__ import annotations


def filtered_by_loops(rows, items, *, min_value, support, duplicates):
    """What is left of rows of (user, item, value, timestamp), and how many each filter drops."""
    dropped = [0, 0, 0, 0]
    kept = []
    for position, (user, item, value, timestamp) in enumerate(rows):
        if min_value is not None and value < min_value:
            dropped[0] += 1
        elif item not in items:
            dropped[1] += 1
        else:
            kept.append((user, item, value, timestamp, position))
    chosen = {}
    for row in kept:
        pair, age = row[:2], (row[3], row[4])
        if pair in chosen:
            dropped[2] += 1
            other = (chosen[pair][3], chosen[pair][4])
            if age < other if duplicates == "first" else age > other:
                chosen[pair] = row
        else:
            chosen[pair] = row
    count = {}
    for user, _ in chosen:
        count[user] = count.get(user, 0) + 1
    left = [row for row in chosen.values() if count[row[0]] >= support]
    dropped[3] = len(chosen) - len(left)
    return [row[:4] for row in sorted(left, key=lambda row: (row[0], row[4]))], dropped
