"""Which cluster a story is about: its services, who calls whom, its load, and what befalls it.

cluster       a shop under changing load: replaced, restarted, rolled, scaled and overloaded
auto-healing  the method's case: two replicas that stand 500 requests/s each get more, die one
              after the other, and their successors get the old addresses
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cuidx.simulation.chance import Chance
from cuidx.simulation.cluster import CAPACITY, Churn, Service
from cuidx.simulation.settings import Settings

BALANCER: Final = "ingress"
# Service, its part of the Pods; the balancer and the database have two Pods each at least.
SHARES: Final = {"gateway": 4, "store": 5, "payment": 4, "mail": 2, "search": 3}
KINDS: Final = ("replace",) * 9 + ("crash",) * 4 + ("restart",) * 3 + ("reboot", "roll")


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the cluster and its traffic need to know."""

    settings: Settings
    services: list[Service]
    entry: str  # what the balancer calls
    backends: tuple[str, ...]  # what that calls, some of them for each request
    database: str | None  # what those call
    churn: list[Churn]
    bursts: list[tuple[int, int, str]]  # [from, to) in which a service is overloaded
    level: list[float]  # of the traffic, for each second


def plan(settings: Settings) -> Plan:
    """The plan of SETTINGS' scenario."""
    return healing(settings) if settings.scenario == "auto-healing" else cluster(settings)


def cluster(settings: Settings) -> Plan:
    """A shop with a balancer, five services and a database."""
    chance = Chance(settings.seed, 3)
    fixed = {BALANCER: max(1, settings.pods // 16), "db": max(1, settings.pods // 12)}
    left, parts = settings.pods - sum(fixed.values()), sum(SHARES.values())
    replicas = {name: max(1, left * share // parts) for name, share in SHARES.items()}
    replicas["store"] += max(0, left - sum(replicas.values()))
    length = settings.length
    burst = min(20_000, length // 4)
    bursts = [
        (at, at + burst, chance.pick(list(SHARES)))
        for n in range(1 + length // 3_600_000)
        for at in [chance.between(length * n // (1 + length // 3_600_000), length - burst)]
    ]
    wave = 1_800_000  # from busy to quiet and back, in half an hour

    def level(at: int) -> float:
        place = at % wave / wave
        return 0.7 + 1.2 * min(place, 1 - place)

    def load_of(name: str, usual: int) -> Service:
        def load(at: int) -> float:
            hit = any(first <= at < last and name == who for first, last, who in bursts)
            return usual * 0.7 * CAPACITY * level(at) * (2 if hit else 1)

        return Service(name, usual, load=load, scales=True)

    happens = []
    budget = settings.churn * settings.pods * length / 3_600_000
    while budget >= 1 or (budget > 0 and chance.random() < budget):
        kind = chance.pick(KINDS)
        happens.append(Churn(chance.below(length), kind))
        budget -= settings.pods // 6 if kind == "roll" else 1
    services = [Service(BALANCER, fixed[BALANCER])]
    services += [load_of(name, usual) for name, usual in replicas.items()]
    services.append(Service("db", fixed["db"], stateful=True))
    return Plan(settings, services, "gateway", ("store", "payment", "mail", "search"), "db",
                sorted(happens, key=lambda one: one.at), bursts,
                [level(second * 1_000) for second in range(-(-length // 1_000))])  # fmt: skip


def healing(settings: Settings) -> Plan:
    """Two replicas of a service; 700 requests/s become 1,200, which is 600 for each.

    The first to die leaves 1,200 to the second. Two are started anew, and two more are added, so
    that each has 300.
    """
    length = settings.length
    rises, falls = length * 2 // 5, length * 4 // 5

    def load(at: int) -> float:
        return 1_200.0 if rises <= at < falls else 700.0

    services = [
        Service(BALANCER, 1),
        Service("payment", 2, load=load, scales=True),
        Service("db", 1, stateful=True),
    ]
    return Plan(
        replace(settings, pods=4), services, "payment", ("db",), None, [],
        [(rises, rises + min(10_000, falls - rises), "payment")],
        [load(second * 1_000) for second in range(-(-length // 1_000))],
    )  # fmt: skip
