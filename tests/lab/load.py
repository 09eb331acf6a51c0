"""The lab's locustfile: LAB_RATE users, each with one request a second on average.

Their starts and pauses are drawn from LAB_SEED alone, so that all arms of a round get the same
load: requests that come independently of each other, not in step. A user waits for its answer. So a
service that can't keep up is asked less often, and what is reached is less than what was asked for.

LAB_RECORD gets a JSON object at the end: `ended`, `ms` and `failed` of each request, in the order in
which they ended; `ended` is CLOCK_MONOTONIC in seconds. LAB_RECORD.started appears when all users
are there.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task

RECORD = Path(os.environ["LAB_RECORD"])
SEED = os.environ["LAB_SEED"]
PATH = os.environ["LAB_PATH"]

numbers = itertools.count()
ended: list[float] = []
took: list[float] = []
failed: list[bool] = []


class Shopper(FastHttpUser):
    connection_timeout = 30.0
    network_timeout = 30.0

    def on_start(self) -> None:
        self.random = random.Random(f"{SEED}/{next(numbers)}")
        gevent.sleep(self.random.random())
        self.due = time.monotonic()

    def wait_time(self) -> float:
        now = time.monotonic()
        self.due = max(self.due + self.random.expovariate(1.0), now)
        return self.due - now

    @task
    def ask(self) -> None:
        self.client.get(PATH)


@events.request.add_listener
def keep(response_time: float, exception: BaseException | None, **more: Any) -> None:
    ended.append(time.monotonic())
    took.append(response_time)
    failed.append(exception is not None)


@events.spawning_complete.add_listener
def started(**more: Any) -> None:
    RECORD.with_suffix(".started").touch()


@events.quitting.add_listener
def write(**more: Any) -> None:
    RECORD.write_text(json.dumps({"ended": ended, "ms": took, "failed": failed}))
