"""Which requests each container took part in: pairs, each at least once, and how many there are.

Of lines in groups a pair is the number of its group and 64 bits of the request; which container
wrote a group is known once. To put that name beside each pair takes longer than to count them all,
and few questions ask for it: the table is made when one does.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Final, cast

import polars as pl

from cuidx.formats import native

# Categorical: a name is kept once, not once a pair. `request` is `identity.request_key`.
PAIRS: Final = pl.Schema({"container": pl.Categorical(), "request": pl.UInt64()})


class Pairs:
    """The pairs in TABLE (PAIRS), and those in GROUPED.

    These are (containers of groups, pairs): `group`, a place among those containers, and `request`,
    neither ever null; a container may be, then its pairs are nobody's.
    """

    def __init__(
        self, table: pl.DataFrame, grouped: Sequence[tuple[pl.Series, pl.DataFrame]] = ()
    ) -> None:
        self._table, self._grouped = table, grouped

    @cached_property
    def table(self) -> pl.DataFrame:
        """All of them as PAIRS."""
        named = [
            pl.DataFrame([names.gather(pairs["group"]).alias("container"), pairs["request"]])
            for names, pairs in self._grouped
        ]
        return pl.concat([self._table, *named]).drop_nulls()

    def by_container(self) -> pl.DataFrame:
        """How many requests each container has: `container` (text) and `requests`."""
        if not native.is_built():
            counted = self.table.group_by("container").agg(requests=pl.col("request").n_unique())
            return counted.select(
                pl.col("container").cast(pl.String), pl.col("requests").cast(pl.Int64)
            )
        table = self._table.drop_nulls()
        own = table["container"].unique()
        names = pl.concat([own, *(names for names, _ in self._grouped)])
        number = names.to_physical().cast(pl.UInt32)  # they count up from 0, in all of this process
        count = 1 + (cast("int | None", number.max()) or 0)
        parts = []
        if len(table):
            place = table["container"].to_physical().cast(pl.UInt32)
            parts.append((place, table["request"], memoryview(array("I", range(count)))))
        numbers = memoryview(array("I", number.fill_null(native.NOBODY).to_list()))
        begin = len(own)
        for some, pairs in self._grouped:
            parts.append((pairs["group"], pairs["request"], numbers[begin : begin + len(some)]))
            begin += len(some)
        requests = native.distinct(parts, count)
        known = names.unique().drop_nulls()
        rows = pl.DataFrame({
            "container": known.cast(pl.String),
            "requests": requests.gather(known.to_physical().cast(pl.UInt32)),
        })  # fmt: skip
        return rows.filter(pl.col("requests") > 0)
