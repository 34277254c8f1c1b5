"""Execution: what waits for a person, the orders, the fills.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.ports import Command, Ports
from tui.screens.confirm import nothing_more
from tui.screens.pane import Pane, Target
from tui.screens.resolve import FROM_HERE, ask_fate
from tui.store import Frame
from tui.view.execution import (
    approval_at,
    approval_label,
    approvals_table,
    fills_table,
    order_at,
    order_text,
    orders_table,
    sends_line,
    sorted_orders,
)
from tui.view.halt import why_not
from tui.view.home import decision_of_position
from tui.view.resolve import of_order
from tui.view.text import Line, wrap
from tui.widgets.grid import HEAD_ROWS, LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS = 2
APPROVALS_MAX = 4
NO_DOUBT = "No order is UNKNOWN, and of this one nothing is held."


class ExecutionPane(Pane):
    """Approvals, orders with the one under the cursor in words, fills."""

    place = "execution"
    DEFAULT_CSS = f"""
    #approvals {{ height: {HEAD_ROWS + 1}; }}
    #sends {{ height: {DETAIL_ROWS + 1}; }}
    """

    def __init__(self, ports: Ports) -> None:
        super().__init__(id="execution-pane")
        self._control = ports.control
        self._orders = LiveGrid("orders")
        self._sends = Lines("sends")
        self._approvals = LiveGrid("approvals")
        self._fills = LiveGrid("fills")

    def compose(self) -> ComposeResult:
        yield self._orders
        yield self._sends
        yield self._approvals
        yield self._fills

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        self._orders.show(orders_table(frame), faded=faded)
        order = order_at(frame, self._orders.cursor_key)
        words = wrap(order_text(frame, order), max(self.size.width - 4, 10), DETAIL_ROWS)
        detail: list[Line] = [(("  ", "text"), (row, "text")) for row in words]
        detail.extend([()] * (DETAIL_ROWS - len(detail)))
        self._sends.show((*detail, sends_line(frame)), faded=faded)
        table = approvals_table(frame)
        height = HEAD_ROWS + min(max(len(table.rows), 1), APPROVALS_MAX)
        if self._approvals.styles.height is None or self._approvals.styles.height.value != height:
            self._approvals.styles.height = height
        self._approvals.show(table, faded=faded)
        self._fills.show(fills_table(frame), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The decision behind the order under the cursor."""
        order = order_at(frame, self._orders.cursor_key)
        if order is None or not self._orders.has_focus:
            return None
        line = decision_of_position(frame.view, order.authority)
        return None if line is None else Target("why", decision=line)

    def do(self, action: str, frame: Frame) -> None:
        """``approve``, ``refuse``: the entry that waits; ``resolve``: what became of one."""
        no = why_not(frame, self._control)
        if no is not None:
            self.post_message(self.Says(no))
        elif action == "resolve":
            self._resolve(frame)
        else:
            self._judge(action, frame)

    def _judge(self, action: str, frame: Frame) -> None:
        """Turned down at once; approved only after a yes, for it is money."""
        line = approval_at(frame, self._approvals.cursor_key)
        if line is None:
            self.post_message(self.Says("No entry waits for a person."))
            return
        request = line.asked.request_id
        if action == "refuse":
            self._approve("REJECT", request)
            return

        def answered(text: str) -> None:
            if text.lower() in ("y", "yes"):
                self._approve("APPROVE", request)
            else:
                self.post_message(self.Says("That is no yes: nothing was approved."))

        self.post_message(self.Asks(f"{approval_label(frame, line)} y:", answered))

    def _approve(self, verb: str, request: str) -> None:
        command = Command(verb, request, None, FROM_HERE, None)
        self.post_message(self.Gives(command, nothing_more))

    def _resolve(self, frame: Frame) -> None:
        """Of the row under the cursor; where nothing can be said of that, of an UNKNOWN order."""
        chosen = order_at(frame, self._orders.cursor_key)
        unknown = (row for row in sorted_orders(frame.view) if row.status == "UNKNOWN")
        rows = (*((chosen,) if chosen is not None else ()), *unknown)
        found = (of_order(frame.view, row) for row in rows)
        doubt = next((one for one in found if one is not None), None)
        if doubt is None:
            self.post_message(self.Says(NO_DOUBT))
        else:
            ask_fate(self, frame, doubt)
