"""Conditional requests (RFC 9110, section 13) on an event: its entity tag, `If-Match` and `If-None-Match`.

The tag is `"r.v"`: r is the revision of what its organiser writes, v the version of its ledger, each 0 where there is
none yet. `If-None-Match` asks whether anything has changed, and looks at both. `If-Match` asks whether somebody has
written meanwhile, and looks at r alone: seats come and go all the time, and a PATCH undoes none of that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.http.problems import invalid
from workers.aws.items import Item
from workers.domain.records import Ledger

MAX_REVISIONS = 50
"""So many different revisions an `If-Match` may name: each is a part of one condition on the event."""

Revisions = frozenset[int] | None
"""Those of which an event must have one; None: any."""

_TAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_OURS = re.compile(r'"(0|[1-9][0-9]{0,14})\.(?:0|[1-9][0-9]{0,14})"')


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The entity tags that a header names; None: `*`, whatever there is."""

    named: tuple[str, ...] | None

    def match(self, tag: str) -> bool:
        """Whether this one is among them, by weak comparison."""
        return self.named is None or tag in (named.removeprefix("W/") for named in self.named)

    def revisions(self) -> Revisions:
        """The revisions in those that are an event's, by strong comparison; None if any will do.

        RequestError if there are more than MAX_REVISIONS.
        """
        if self.named is None:
            return None
        found = frozenset(int(ours[1]) for tag in self.named if (ours := _OURS.fullmatch(tag)))
        if len(found) > MAX_REVISIONS:
            raise invalid("If-Match", f"It must not name more than {MAX_REVISIONS} revisions.")
        return found


def parse_entity_tags(name: str, header: str | None) -> EntityTags | None:
    """What the header of that name says; None without one. RequestError if it is malformed."""
    if header is None:
        return None
    if header.strip(" \t") == "*":
        return EntityTags(None)
    if not _TAGS.fullmatch(header):
        raise invalid(name, 'It must be * or a list of entity tags, like "3.14".')
    return EntityTags(tuple(re.findall(_TAG, header)))


def event_tag(event: Item, ledger: Ledger | None) -> str:
    """The entity tag of an event as it was read, with the ledger that was read beside it."""
    return f'"{revision_of(event)}.{ledger.version if ledger else 0}"'


def revision_of(event: Item) -> int:
    """The revision of an event item; 0 for one of earlier software, which counted none."""
    return int(event.get("revision", {}).get("N", "0"))


def revision_condition(revisions: Revisions) -> tuple[str, Item]:
    """The condition on an event item that it is there, at one of these revisions (None: any), and its values.

    `#revision` stands for the attribute. There must be at least one revision.
    """
    there = "attribute_exists(eventId)"
    if revisions is None:
        return there, {}
    values: Item = {f":revision{revision}": {"N": str(revision)} for revision in sorted(revisions - {0})}
    tests = [f"#revision = {name}" for name in values]
    if 0 in revisions:
        tests.append("attribute_not_exists(#revision)")
    return f"{there} AND ({' OR '.join(tests)})", values
