"""The table of exchanges in a database."""

from __future__ import annotations

import sqlalchemy as sa

TABLE = "exchanges"
# SQLite has no type for moments: its text sorts as they do, and keeps the zone.
_MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")

exchanges = sa.Table(
    TABLE,
    sa.MetaData(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("time", _MOMENT, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("response", sa.Text, nullable=False),
    sa.Column("answered_by", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("student", sa.Text, nullable=False),
    sa.Column("teacher", sa.Text),
    sa.Column("tools_digest", sa.Text, nullable=False),
    sa.Column("conversation", sa.Text),
    sa.Column("other", sa.Text),
    sa.Column("agrees", sa.Boolean),
    sa.Column("audited", sa.Boolean, nullable=False),
    sa.Column("confidence", sa.Float),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("cost", sa.Float),
)
# With all that is counted, so that bodies need not be read for it.
by_time = sa.Index(
    "exchanges_by_task_and_time",
    *(exchanges.c[name] for name in ("task", "time", "answered_by", "agrees", "audited", "cost")),
)
