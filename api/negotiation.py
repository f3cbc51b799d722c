"""Which of two forms a client would rather have (`Accept`; RFC 9110, section 12.5.1).

A module of its own, so that no cold start loads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a word
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\\?$))+')
"""What is between two commas. A quote that is not closed goes on to the end, so that nothing is read twice."""
_RANGE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*((?:;\s*(?:{_TOKEN}=(?:{_TOKEN}|{_QUOTED})\s*)?)*)")
_PARAMETER = re.compile(rf"({_TOKEN})=({_TOKEN}|{_QUOTED})")
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class _Range:
    """One of the media types that are asked for, or a range of them."""

    type: str
    subtype: str
    parameters: Mapping[str, str]
    quality: float

    def fits(self, type_: str, subtype: str, parameters: Mapping[str, str]) -> bool:
        return (
            self.type in {"*", type_}
            and self.subtype in {"*", subtype}
            and all(parameters.get(name) == value for name, value in self.parameters.items())
        )

    @property
    def rank(self) -> tuple[int, int, float]:
        """The closest description of a media type counts."""
        return (self.type != "*") + (self.subtype != "*"), len(self.parameters), self.quality


def prefers_csv(accept: str | None) -> bool:
    """Whether CSV is wanted more than JSON, which is what everybody gets who does not say so."""
    ranges = list(_ranges(accept or "*/*"))
    csv = _quality(range_ for range_ in ranges if range_.fits("text", "csv", {"charset": "utf-8", "header": "present"}))
    json = _quality(range_ for range_ in ranges if range_.fits("application", "json", range_.parameters))
    return csv > json


def _quality(fitting: Iterator[_Range]) -> float:
    return max((range_.rank for range_ in fitting), default=(0, 0, 0.0))[-1]


def _ranges(accept: str) -> Iterator[_Range]:
    """The media ranges of the header; what is none is passed over."""
    for element in _ELEMENT.findall(accept):
        if found := _RANGE.fullmatch(element):
            pairs = {name.lower(): value.strip('"').lower() for name, value in _PARAMETER.findall(found[3])}
            quality = pairs.pop("q", "1")
            if _QUALITY.fullmatch(quality):
                yield _Range(found[1].lower(), found[2].lower(), pairs, float(quality))
