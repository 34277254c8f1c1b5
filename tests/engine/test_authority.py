"""The ways to an order and no other: an approved intent, with the leg sold against it, and an exit
signal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.kite.order_form import side_of
from engine.books import apply_exit_signalled, apply_intent_approved
from engine.lookup import lookup_for
from engine.orders.outbox import authority_of
from events.orders import ExitSignalled, IntentApproved, OrderChanged
from tests.adapters.kite.messages import entry as entry_message
from tests.architecture.source import ROOMS
from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts
from tests.engine.orders.world import begun

ROOT = Path(__file__).resolve().parents[2]
MAKERS = {
    "Order": {
        "engine/books.py:apply_intent_approved",
        "engine/books.py:apply_exit_signalled",
        "engine/books.py:_adopted",
        "engine/books.py:_begun_or_reopened",
        "engine/books.py:_taken_over",
        "engine/carry.py:_placed_order",
    },
    "IntentApproved": {"engine/cycle.py:_intent"},
    "SpreadApproved": {"engine/gates/spread.py:approved"},
    "ExitSignalled": {
        "engine/exits.py:_signal",
        "engine/orders/protocol.py:protect_signal",
        "engine/spreads.py:_bought_back",
    },
    "ApprovedIntent": {"engine/orders/outbox.py:authority_of"},
    "ExitAuthority": {
        "engine/orders/outbox.py:authority_of",
        "adapters/kite/flatten.py:authority_for",
    },
}
"""The only functions that may make one of these: the cycle after eleven stages, the exit rules and
the protective stop. An order of others that sold what we hold, and one that an earlier session left
unknown, are in the books and can never be sent: no wish is made for them."""


def makers_of(source: str, name: str, where: str) -> set[str]:
    """``where:function`` of every place that calls a name, or hands it on to be called."""
    found: set[str] = set()

    def walk(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Call):
            called = node.func
            if getattr(called, "id", getattr(called, "attr", None)) == name:
                found.add(f"{where}:{function}")
            for argument in node.args:
                handed = getattr(argument, "id", getattr(argument, "attr", None))
                if handed == name and getattr(called, "id", "") != "isinstance":
                    found.add(f"{where}:{function}")
        for child in ast.iter_child_nodes(node):
            walk(child, function)

    walk(ast.parse(source), "<module>")
    return found


OF_THE_PORT = ("ApprovedIntent", "ExitAuthority")
"""What opens the way to a broker, wherever it is made: the second is also the emergency's."""


def _made(name: str, *rooms: str) -> set[str]:
    found: set[str] = set()
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            source = path.read_text()
            if name in source:  # most files need no parsing
                found |= makers_of(source, name, path.relative_to(ROOT).as_posix())
    return found


def test_only_two_reducers_make_an_order() -> None:
    """An ``Order`` is made from an IntentApproved or from an ExitSignalled, nowhere else (the sale
    of a pair's leg is made out of its entry's); each of those is made in its places. The two
    authorities are looked for in every room."""
    for name, makers in MAKERS.items():
        rooms = ROOMS if name in OF_THE_PORT else ("engine",)
        assert _made(name, *rooms) == makers, name


@pytest.mark.parametrize(
    ("word", "makers"),
    [
        ("covers", {"adapters/kite/flatten.py", "engine/orders/outbox.py"}),
        ("sells", {"engine/orders/outbox.py"}),
    ],
)
def test_who_may_buy_to_leave_and_sell_to_enter(word: str, makers: set[str]) -> None:
    """An authority that buys back is made by the emergency and, for the sold leg of a pair, where
    the engine makes every other; one that sells to open, for that leg alone, there."""
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == word
    }
    assert found == makers


def test_only_a_sale_of_a_pair_sells_to_open() -> None:
    """By role: an entry buys, a pair's sale sells under its approval; exits and stops sell, what
    buys a leg back buys, under an exit; no other role has an authority at all."""
    state, _, _ = begun()
    intent = IntentApproved("ab" * 8, "NIFTY", "T", 3, "BUY", 65, 1, 100, 100, 50, 200, 0, 1, 1, 0)
    state = apply_intent_approved(state, intent, state.now, lookup_for(state))
    (order,) = state.orders
    message = entry_message(order_id=order.order_id)
    given = {}
    for role in ("ENTRY", "SHORT", "EXIT", "PROTECT", "COVER", "EXTERNAL"):
        played = replace(state, orders=(replace(order, role=role),))
        try:
            given[role] = side_of(authority_of(played, message))
        except AssertionError:
            given[role] = "NONE"
    assert given == {
        "ENTRY": "BUY", "SHORT": "SELL", "EXIT": "SELL", "PROTECT": "SELL", "COVER": "BUY",
        "EXTERNAL": "NONE",
    }  # fmt: skip


def test_the_reducers_take_only_their_authority() -> None:
    """The two reducers are typed for the two authorities."""
    assert apply_intent_approved.__annotations__["event"] == "IntentApproved"
    assert apply_exit_signalled.__annotations__["event"] == "ExitSignalled"


def test_the_state_s_orders_grow_nowhere_else() -> None:
    """No other function of the engine adds to ``orders``: it is replaced by the reducers with
    one more, and by those that change or drop what is there."""
    writers: set[str] = set()
    for path in sorted((ROOT / "engine").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for call in ast.walk(node):
                    if isinstance(call, ast.Call) and any(k.arg == "orders" for k in call.keywords):
                        writers.add(node.name)
    assert writers == {
        "_accepted",
        "_adopted",
        "_begun_or_reopened",
        "_instruments_loaded",
        "_session_resumed",
        "_taken_over",
        "_without",
        "apply_exit_signalled",
        "apply_fill_applied",
        "apply_intent_approved",
        "apply_order_changed",
        "_paper_order",
        "apply_order_wanted",
        "apply_spread_approved",
        "note_report",
        "with_leg",
    }


def test_a_third_way_would_be_found() -> None:
    """Canary: a function that makes an order, by name, by module or through a partial, is seen."""
    for source in (
        "def sneak(state):\n    return Order(1)\n",
        "import engine.state as s\ndef sneak(state):\n    return s.Order(1)\n",
        "def sneak(state):\n    return partial(Order, 1)\n",
    ):
        assert makers_of(source, "Order", "x.py") == {"x.py:sneak"}
    assert makers_of("def look(o):\n    return isinstance(o, Order)\n", "Order", "x.py") == set()


def test_every_order_of_a_day_has_its_authority() -> None:
    """In a run each order that is said stands behind an earlier intent or exit signal of its id."""
    run = run_core(small_facts(SmallMarket(), relaxed()))
    authorities: set[str] = set()
    orders = 0
    for entry in run.entries:
        event = entry.event
        if isinstance(event, IntentApproved):
            authorities.add(event.intent_id)
        elif isinstance(event, ExitSignalled):
            authorities.add(event.exit_id)
        elif isinstance(event, OrderChanged):
            orders += 1
            assert event.authority in authorities
            assert event.order_id == f"P{event.authority}"
    assert orders > 0
