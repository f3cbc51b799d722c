"""The rules for text agree with Unicode's properties, over all code points."""

from __future__ import annotations

import re
import unicodedata

from api.models.text import NOT_PLAIN, SPACE, WIDTHLESS

DEFAULT_IGNORABLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""`Default_Ignorable_Code_Point` in DerivedCoreProperties.txt of Unicode 16; Python does not have the property."""

VISIBLE_FORMATS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Characters of the category Cf that are visible: they are drawn around or above numbers and words."""

BLANK = {0x2800, 0x16FE4, 0x1D159}
"""Blank characters without such a property or category: an empty Braille cell, a filler, an empty note head."""


def test_nothing_invisible_counts_as_seen() -> None:
    """Exactly the characters are unseen that Unicode says are ignorable, format, control, space or separator."""
    unseen = re.compile(f"[{NOT_PLAIN}{SPACE}{WIDTHLESS}]")
    ignorable = {point for first, last in DEFAULT_IGNORABLE for point in range(first, last + 1)}

    def is_invisible(point: int) -> bool:
        category = unicodedata.category(chr(point))
        by_category = category in {"Cc", "Zl", "Zp", "Zs"} or (category == "Cf" and point not in VISIBLE_FORMATS)
        return by_category or point in ignorable or point in BLANK

    # Surrogates are no characters. What this Python's Unicode does not assign yet may be assigned in the next one.
    known = (point for point in range(0x110000) if unicodedata.category(chr(point)) not in {"Cs", "Cn"})
    points = sorted({*known, *ignorable})
    assert [hex(point) for point in points if bool(unseen.match(chr(point))) != is_invisible(point)] == []
