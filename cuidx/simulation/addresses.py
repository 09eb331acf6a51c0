"""Address managers: which free address the next Pod gets.

    fifo         the one that has been free longest (AWS VPC CNI, with a cool-down of 30 s)
    round-robin  the next free one after the last handed out (host-local of the CNI plugins)
    lowest-free  the lowest free one (the hottest reuse: a Pod's successor gets its address)

With a cool-down an address that was given back is not handed out before it has passed.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 2  # .0 is the network, .1 the node's own bridge


class Pool:
    """COUNT addresses from 10.42.0.2 on; times in milliseconds."""

    def __init__(self, policy: str, count: int, cooldown: int) -> None:
        self._policy, self._cooldown = policy, cooldown
        self._free: dict[int, int] = dict.fromkeys(range(count), -(1 << 60))  # place -> free since
        self._count, self._last = count, -1

    def take(self, now: int) -> str | None:
        """An address, or None while all are taken or cooling down."""
        ready = [at for at, since in self._free.items() if since + self._cooldown <= now]
        if not ready:
            return None
        if self._policy == "fifo":
            place = min(ready, key=lambda at: (self._free[at], at))
        elif self._policy == "round-robin":
            place = min(ready, key=lambda at: (at - self._last - 1) % self._count)
        else:
            place = min(ready)
        del self._free[place]
        self._last = place
        return address(place)

    def give(self, ip: str, now: int) -> None:
        """Take IP back."""
        third, fourth = map(int, ip.split(".")[2:])
        self._free[third * 250 + fourth - FIRST] = now


def address(place: int) -> str:
    """The address at PLACE of the pool, from 0."""
    return f"10.42.{place // 250}.{place % 250 + FIRST}"
