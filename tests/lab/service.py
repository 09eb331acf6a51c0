"""One service of the lab's shop: gateway → payment → store, each with its log on a volume.

gunicorn serves `app`. LAB_SERVICE names it, LAB_LOG is the file that it logs to, and LAB_NEXT is the
port of the service that it calls, empty for the last one. Each request is two lines at level INFO:
one when it comes and one when it is answered, both with the request id that Envoy gave it.
"""

from __future__ import annotations

import http.client
import logging
import os
import threading
import time
from logging.handlers import WatchedFileHandler

from flask import Flask, request

NAME = os.environ["LAB_SERVICE"]
NEXT = os.environ["LAB_NEXT"]

app = Flask(NAME)
log = logging.getLogger("shop")
kept = threading.local()


def set_up_log() -> None:
    """Plain lines, UTC, flushed one by one; a file that was moved away is made anew."""
    handler = WatchedFileHandler(os.environ["LAB_LOG"], delay=True)
    form = logging.Formatter(
        f"%(asctime)s.%(msecs)03dZ %(levelname)s {NAME} %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    form.converter = time.gmtime
    handler.setFormatter(form)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def ask_next(request_id: str) -> bytes:
    """The next service's answer, over this thread's kept connection."""
    for fresh in (False, True):  # a kept connection may have been closed at the other end
        if fresh or not hasattr(kept, "line"):
            kept.line = http.client.HTTPConnection("127.0.0.1", int(NEXT), timeout=20)
        try:
            kept.line.request("GET", "/checkout", headers={"x-request-id": request_id})
            answer = kept.line.getresponse()
            body = answer.read()
        except (http.client.HTTPException, OSError):
            if fresh:
                raise
            continue
        if answer.status != 200:
            raise RuntimeError(f"the next service says {answer.status}")
        return body
    raise AssertionError


@app.get("/checkout")
def checkout() -> bytes:
    """Through all services."""
    request_id = request.headers["x-request-id"]
    log.info("received request_id=%s", request_id)
    body = ask_next(request_id) if NEXT else b"shipped\n"
    log.info("answered request_id=%s bytes=%d", request_id, len(body))
    return body


@app.get("/cart")
def cart() -> bytes:
    """Answered by this service alone."""
    request_id = request.headers["x-request-id"]
    log.info("received request_id=%s", request_id)
    log.info("answered request_id=%s bytes=%d", request_id, 6)
    return b"empty\n"


@app.get("/ready")
def ready() -> bytes:
    """Leaves no line: the lab asks this before a run."""
    return b"ready\n"


set_up_log()
