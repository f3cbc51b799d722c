"""Rules for text that people read: which characters are invisible, change its direction or break its line.

The sets follow Unicode 16: `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt) and the categories Cc, Cf, Zl, Zp
and Zs, with a few characters that are blank although they have neither. A test compares them with both. They are parts
of character classes, for Python and for JSON Schema, whose `\\u` escapes end at U+FFFF: above it they are written out.
"""

from __future__ import annotations

import re


def _above_ffff(*ranges: tuple[int, int]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


CONTROL = r"\u0000-\u001f\u007f-\u009f"
_TURNING = r"\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of text, also of the text after it."""
_TAGS = _above_ffff((0xE0000, 0xE00FF), (0xE01F0, 0xE0FFF))
"""Tags spell out hidden text. They are allowed only in the flags below."""

NOT_PLAIN = CONTROL + r"\u2028\u2029" + _TURNING + _TAGS
"""Characters that no line of text may contain."""

WIDTHLESS = r"\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff0-\ufffb" + _above_ffff(
    (0x13430, 0x1343F), (0x16FE4, 0x16FE4), (0x1BCA0, 0x1BCA3), (0x1D159, 0x1D159), (0x1D173, 0x1D17A)
)
"""Invisible characters. Texts need some of them, for hyphenation and some scripts; names do not."""

SPACE = (
    r" \u00a0\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180d\u180f\u2000-\u200a\u200c-\u200f\u202f\u205f\u2800"
    r"\u3000\u3164\ufe00-\ufe0f\uffa0"
) + _above_ffff((0xE0100, 0xE01EF))
"""Characters that are blank on their own: spaces, fillers, joiners, direction marks, variation selectors."""

FLAG = f"\U0001f3f4[{_above_ffff((0xE0020, 0xE007E))}]+\U000e007f"
"""The flag of a region, such as Scotland: a black flag, tags, and the tag that ends them (UTS 51)."""

PLAIN = rf"^({FLAG}|[^{NOT_PLAIN}])*({FLAG}|[^{NOT_PLAIN}{SPACE}{WIDTHLESS}])({FLAG}|[^{NOT_PLAIN}])*$"
"""The rule of `plain` as a pattern of JSON Schema, for the API's document."""

_FLAG = re.compile(FLAG)
_NOT_PLAIN = re.compile(f"[{NOT_PLAIN}]")
_SEEN = re.compile(f"[^{NOT_PLAIN}{SPACE}{WIDTHLESS}]")


def plain(value: str) -> str:
    """Check one line of text. Raises ValueError if it is blank, has several lines or changes direction."""
    bare = _FLAG.sub("\U0001f3f4", value)
    if _NOT_PLAIN.search(bare):
        raise ValueError(
            "must not contain control characters, line breaks, hidden tags or characters that change the text direction"
        )
    if not _SEEN.search(bare):
        raise ValueError("must not be blank")
    return value
