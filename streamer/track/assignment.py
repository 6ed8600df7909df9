"""Which rows and columns belong together so that what their pairs are worth is the most there can be.

Where no two rows want one column, and none wants two, nothing is to be decided: that is nearly every picture. What is
left is solved exactly, one row after the other by the shortest augmenting path over reduced costs (Kuhn 1955; as in
Jonker & Volgenant, Computing 38, 1987), along those pairs only that are worth anything: a box overlaps few others.

Our own, because scipy.optimize takes a third of a second to import (it brings what fits curves and solves linear
programmes), and every start of the service would wait for that, also the one after a crash.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def best_pairs(worth: NDArray[np.float64]) -> tuple[Rows, Rows]:
    """Rows, ascending, and the columns that go with them: each at most once, and only pairs worth more than 0.

    worth: float64 (M, N), finite. A row and a column that are not paired with anything add nothing.
    """
    rows, columns = (worth > 0).nonzero()
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    if alone.all():
        return rows, columns
    column_of = dict(zip(rows[alone].tolist(), columns[alone].tolist(), strict=True))
    rows, columns = rows[~alone], columns[~alone]
    column_of |= _solved(rows.tolist(), columns.tolist(), worth[rows, columns].tolist())
    by_row = sorted(column_of.items())
    return np.array([row for row, _ in by_row], np.intp), np.array([column for _, column in by_row], np.intp)


def _solved(rows: list[int], columns: list[int], worths: list[float]) -> dict[int, int]:
    """Row → column. The pairs that are worth anything come by rows, ascending.

    Prices of rows and columns are kept so that no pair is worth more than both its prices together, and those that are
    paired are worth just as much; whoever has a price above 0 is paired. That is optimal for the rows taken so far. The
    next row enters at its own best gain, and the least loss is looked for at which there is room for it.
    """
    pairs: dict[int, list[tuple[int, float]]] = {}
    for row, column, worth in zip(rows, columns, worths, strict=True):
        pairs.setdefault(row, []).append((column, worth))
    row_price: dict[int, float] = {}
    column_price = dict.fromkeys(columns, 0.0)
    column_of: dict[int, int] = {}
    row_of: dict[int, int] = {}
    for new, wanted in pairs.items():
        row_price[new] = max(0.0, *(worth - column_price[column] for column, worth in wanted))
        row_loss, column_loss = {new: 0.0}, dict[int, float]()  # at which each is reached
        came_from: dict[int, int] = {}
        at_hand: list[tuple[float, int, int]] = []  # loss, column, and the row that would take it
        gives_way, least = new, row_price[new]
        free: int | None = None
        reached: int | None = new
        while reached is not None:
            for column, worth in pairs[reached]:
                loss = row_loss[reached] + row_price[reached] + column_price[column] - worth
                if column not in column_loss and loss < least:
                    heapq.heappush(at_hand, (loss, column, reached))
            reached = None
            while reached is None and at_hand and at_hand[0][0] < least:
                loss, column, taker = heapq.heappop(at_hand)
                if column in column_loss:
                    continue
                column_loss[column], came_from[column] = loss, taker
                if column not in row_of:
                    free, least = column, loss
                    break
                reached = row_of[column]
                row_loss[reached] = loss
                if loss + row_price[reached] < least:
                    gives_way, least = reached, loss + row_price[reached]
        for row, loss in row_loss.items():
            row_price[row] -= max(0.0, least - loss)
        for column, loss in column_loss.items():
            column_price[column] += max(0.0, least - loss)
        taken = column_of.pop(gives_way, None) if free is None else free
        while taken is not None:  # along the path, back to the new row
            taker = came_from[taken]
            before = column_of.get(taker)
            row_of[taken], column_of[taker] = taker, taken
            taken = before
    return column_of
