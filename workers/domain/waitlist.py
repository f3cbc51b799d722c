"""The waiting line of one event: which tickets are live, in order.

A ticket is a number that only grows. The line is a bitmap of the live tickets that starts at the first live one, so
that the head, the length and the exact position of any ticket come from this one small value (a popcount), and
nobody's position is stored anywhere: when the head leaves, the people behind it are not rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waitlist:
    """An immutable waiting line. Bit `i` of `bits` is set while ticket `offset + i` waits.

    Always normal: an empty line is `Line(0, 0)`, and in any other the first bit is set.
    """

    offset: int = 0
    bits: int = 0

    @classmethod
    def of(cls, tickets: Iterable[int]) -> Waitlist:
        """The line of these tickets, given in any order. ValueError if one is there twice."""
        line = cls()
        for ticket in sorted(tickets):
            line = line.join(ticket)
        return line

    @property
    def end(self) -> int:
        """The first number that is later than every live ticket; 0 for an empty line."""
        return self.offset + self.bits.bit_length()

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __contains__(self, ticket: int) -> bool:
        return ticket >= self.offset and bool(self.bits >> (ticket - self.offset) & 1)

    def __iter__(self) -> Iterator[int]:
        """The live tickets, the head first."""
        bits, ticket = self.bits, self.offset
        while bits:
            gap = (bits & -bits).bit_length() - 1
            ticket += gap
            yield ticket
            bits >>= gap + 1
            ticket += 1

    def first(self, count: int) -> list[int]:
        """The first `count` live tickets, fewer if the line is shorter."""
        return [ticket for _, ticket in zip(range(count), self, strict=False)]

    def position(self, ticket: int) -> int | None:
        """1 for the head of the line; None if the ticket is not live."""
        if ticket not in self:
            return None
        return (self.bits & ((1 << (ticket - self.offset + 1)) - 1)).bit_count()

    def join(self, ticket: int) -> Waitlist:
        """The line with `ticket` at its end. ValueError if the ticket is not later than every live one."""
        if not self.bits:
            return Waitlist(ticket, 1)
        if ticket < self.end:
            raise ValueError(f"ticket {ticket} is not later than the end of the line")
        return Waitlist(self.offset, self.bits | 1 << (ticket - self.offset))

    def leave(self, ticket: int) -> Waitlist:
        """The line without `ticket`. ValueError if the ticket is not live."""
        if ticket not in self:
            raise ValueError(f"ticket {ticket} is not in the line")
        bits = self.bits & ~(1 << (ticket - self.offset))
        if not bits:
            return Waitlist()
        gone = (bits & -bits).bit_length() - 1
        return Waitlist(self.offset + gone, bits >> gone)
