"""The tables of an asset as Dagster shows them: each column with its type and what it holds."""

from __future__ import annotations

import dagster as dg

from distil_dag.core.columns import COLUMNS
from distil_dag.core.tables import ANSWERS, SEEDS, SYNTHETIC, TRACES, Table

# The table of each asset whose columns Dagster shows as the asset's own.
_FIRST = (TRACES, SEEDS, SYNTHETIC, ANSWERS)


def table_schemas(asset: str) -> dict[str, dg.TableSchema]:
    """Metadata of an asset's definition: the schema of each table that it writes.

    Dagster shows one schema as the columns of the asset. That is the schema of the table that later assets
    read first; the others stand beside it under `columns_of_TABLE`.

    Args:
        asset: Name of the asset; one without tables has no schemas.
    """
    return {
        "dagster/column_schema" if table in _FIRST else f"columns_of_{table.name}": _schema(table)
        for table in COLUMNS
        if table.asset == asset
    }


def _schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(column.name, column.type, column.holds) for column in COLUMNS[table]]
    )
