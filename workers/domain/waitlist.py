"""The waiting list of one event: the tickets that wait, in order.

Ticket numbers only grow. The waiting list is a bitmap of the waiting tickets that starts at the first of them. This
small value yields the head, the length, and (by counting bits) the position of every ticket. So no position is stored,
and when the head leaves, nobody behind it has to be rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waitlist:
    """An immutable waiting list. Bit `i` of `bits` is set while ticket `offset + i` waits.

    The representation is unique: the empty list is `Waitlist(0, 0)`, and in any other the lowest bit is set.
    """

    offset: int = 0
    bits: int = 0

    @classmethod
    def of(cls, tickets: Iterable[int]) -> Waitlist:
        """Return the waiting list of these tickets, given in any order. Raises ValueError for a repeated ticket."""
        waitlist = cls()
        for ticket in sorted(tickets):
            waitlist = waitlist.join(ticket)
        return waitlist

    @property
    def end(self) -> int:
        """The first number after the last waiting ticket; 0 for the empty list."""
        return self.offset + self.bits.bit_length()

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, ticket: int) -> bool:
        return ticket >= self.offset and bool(self.bits >> (ticket - self.offset) & 1)

    def __iter__(self) -> Iterator[int]:
        """Yield the waiting tickets, the head first."""
        bits, ticket = self.bits, self.offset
        while bits:
            gap = (bits & -bits).bit_length() - 1
            ticket += gap
            yield ticket
            bits >>= gap + 1
            ticket += 1

    def first(self, count: int) -> list[int]:
        """Return the first `count` waiting tickets, fewer if the list is shorter."""
        return [ticket for _, ticket in zip(range(count), self, strict=False)]

    def position(self, ticket: int) -> int | None:
        """Return the ticket's position, 1 for the head; None if it does not wait."""
        if ticket not in self:
            return None
        return (self.bits & ((1 << (ticket - self.offset + 1)) - 1)).bit_count()

    def join(self, ticket: int) -> Waitlist:
        """Return the list with `ticket` at its end. Raises ValueError if the ticket is not later than all others."""
        if not self.bits:
            return Waitlist(ticket, 1)
        if ticket < self.end:
            raise ValueError(f"ticket {ticket} does not come after the end of the waiting list")
        return Waitlist(self.offset, self.bits | 1 << (ticket - self.offset))

    def leave(self, ticket: int) -> Waitlist:
        """Return the list without `ticket`. Raises ValueError if it does not wait."""
        if ticket not in self:
            raise ValueError(f"ticket {ticket} is not on the waiting list")
        bits = self.bits & ~(1 << (ticket - self.offset))
        if not bits:
            return Waitlist()
        gone = (bits & -bits).bit_length() - 1
        return Waitlist(self.offset + gone, bits >> gone)
