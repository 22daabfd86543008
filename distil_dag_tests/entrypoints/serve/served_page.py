"""A page over a log that the real writer has written: a student that takes over, and hostile texts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import FastAPI

from distil_dag.adapters.serving.exchanges.open_log import open_exchange_log
from distil_dag.adapters.serving.exchanges.reader import open_reader
from distil_dag.entrypoints.serve.page.data import PageData, Promise, page_data
from distil_dag.entrypoints.serve.page.routes import page_router
from distil_dag.stages.serving.exchange import Exchange
from distil_dag.stages.serving.standing import Change, Standing
from distil_dag_tests.stages.serving.some_exchanges import BEGIN, alone, answer, audited, shadowed

HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>\u202edesrever\x07'
TOOLS = ("set_light", "play_music", "set_timer")
NOW = BEGIN + timedelta(days=4)
STANDING = Standing(
    threshold=-0.2,
    coverage=0.61,
    bound=0.957,
    agreement=0.98,
    evidence=512,
    sample=812,
    answers=986,
    audit=0.1,
    suspicious=False,
    history=(
        Change("2026-11-02T14:00:00+00:00", 300, "gave back", None, 0.0),
        Change("2026-11-03T09:00:00+00:00", 700, "answers alone", -0.2, 0.61),
    ),
)
PROMISE = Promise(target=0.95, confidence=0.95, standing=STANDING)


def history(size: int, seed: int = 0) -> Iterator[Exchange]:
    """Exchanges over three days, in which the student takes over and seldom errs."""
    rng = random.Random(seed)
    for number in range(size):
        part = number / size
        moment = {"time": BEGIN + timedelta(days=3 * part), "latency_ms": rng.gauss(900, 80)}
        name = rng.choices(TOOLS, (6, 3, 1))[0]
        level, right = rng.randrange(10), rng.random() < 0.93 + 0.06 * part
        teacher = answer(name, level=level)
        student = answer(name, "student", level=level if right else level + 1)
        words = f"{name.replace('_', ' ')} {level}"
        if rng.random() < 1.1 * part - 0.2:
            moment["latency_ms"] = rng.gauss(110, 15)
            if rng.random() < 0.1:
                yield audited(number, said=words, response=student, other=teacher, agrees=right, **moment)
            else:
                yield alone(number, said=words, response=student, **moment)
        else:
            yield shadowed(number, said=words, response=teacher, other=student, agrees=right, **moment)


def app_of(address: str, exchanges: Iterator[Exchange] | list[Exchange], now: datetime = NOW) -> FastAPI:
    """The page of a log that holds exchanges of the tasks `t` and, none of them, `idle`."""
    with open_exchange_log(address) as log:
        assert all(map(log.put, exchanges))
    assert log.dropped == 0
    reader = open_reader(address)

    def data() -> PageData:
        return page_data(reader, {"t": PROMISE, "idle": None}, dropped=3, currency="USD", now=now)

    app = FastAPI()
    app.include_router(page_router(data))
    return app


def hostile(folder: Path) -> FastAPI:
    """A log whose every text is hostile."""
    said = {"request": {"messages": [{"role": "user", "content": HOSTILE}]}, "why": HOSTILE, "id": HOSTILE}
    answers = {"response": answer(HOSTILE, x=HOSTILE), "other": answer(HOSTILE, y=HOSTILE)}
    return app_of(str(folder / "log.sqlite"), [shadowed(1, agrees=False, **said, **answers)])
