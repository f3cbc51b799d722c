"""Conditional requests (RFC 9110, section 13) on an event: its entity tag, `If-Match` and `If-None-Match`.

The tag is `"r.v"`: r is the revision of the event item, which organizers change, and v the version of its ledger; each
is 0 if there is none yet. `If-None-Match` compares both. `If-Match` compares only r: it protects other organizers'
edits, and ignores seats, which change all the time and which no PATCH undoes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.http.problems import invalid
from workers.aws.items import Item
from workers.domain.records import Ledger

MAX_REVISIONS = 50
"""The most revisions that an `If-Match` may name: each is a part of one condition on the event item."""

Revisions = frozenset[int] | None
"""The acceptable revisions of an event; None accepts any."""

_TAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_OURS = re.compile(r'"(0|[1-9][0-9]{0,14})\.(?:0|[1-9][0-9]{0,14})"')


@dataclass(frozen=True, slots=True)
class EntityTags:
    """The entity tags in a header; None stands for `*`, any tag."""

    named: tuple[str, ...] | None

    def match(self, tag: str) -> bool:
        """Return whether a tag is among them, by weak comparison."""
        return self.named is None or tag in (named.removeprefix("W/") for named in self.named)

    def revisions(self) -> Revisions:
        """Return the revisions in the tags of events, by strong comparison; None for any.

        Raises a RequestError if there are more than MAX_REVISIONS.
        """
        if self.named is None:
            return None
        found = frozenset(int(ours[1]) for tag in self.named if (ours := _OURS.fullmatch(tag)))
        if len(found) > MAX_REVISIONS:
            raise invalid("If-Match", f"Must name at most {MAX_REVISIONS} revisions.")
        return found


def parse_entity_tags(name: str, header: str | None) -> EntityTags | None:
    """Parse the header of that name; None without one. Raises a RequestError if it is malformed."""
    if header is None:
        return None
    if header.strip(" \t") == "*":
        return EntityTags(None)
    if not _TAGS.fullmatch(header):
        raise invalid(name, 'Must be * or a list of entity tags, like "3.14".')
    return EntityTags(tuple(re.findall(_TAG, header)))


def event_tag(event: Item, ledger: Ledger | None) -> str:
    """Return the entity tag of an event, which was read together with its ledger."""
    return f'"{revision_of(event)}.{ledger.version if ledger else 0}"'


def revision_of(event: Item) -> int:
    """Return the revision of an event item; 0 for an item of earlier software, which had none."""
    return int(event.get("revision", {}).get("N", "0"))


def revision_condition(revisions: Revisions) -> tuple[str, Item]:
    """Return the condition that an event item exists at one of these revisions (None: any), and its values.

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
