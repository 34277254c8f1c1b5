"""Every fault through a running exchange: what a client meets while it is on, and after it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from adapters.exchange_sim.errors import TOKEN_WRONG
from adapters.exchange_sim.faults import KINDS
from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from adapters.exchange_sim.spec import AccountSpec
from cli import demo_login
from events.wire import kite
from events.wire.kite import encode_frame
from tests.adapters.exchange_sim.bench_market import CALL, NIFTY, PUT
from tests.adapters.exchange_sim.clients import (
    Answer,
    Socket,
    ask,
    breaks,
    listen,
    order_form,
)
from tests.adapters.exchange_sim.hand_market import START, HandMarket, at, index, tradable

FRAMES = tuple(
    (
        float(second),
        encode_frame([tradable(CALL, 10_000 + second % 50, second), index(seconds=second)]),
    )
    for second in range(1, 400)
)

HUNG_UP = (http.client.RemoteDisconnected, ConnectionResetError)


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """Time by hand; a call and the index speak each second; no heartbeats."""
    settings = Settings(heartbeat_s=3_600.0)
    with running_exchange(HandMarket(*FRAMES), speed=0, settings=settings) as running:
        yield running


def fault(exchange: RunningExchange, kind: str, more: str = "") -> None:
    """One fault that begins now."""
    exchange.fault(f"[[fault]]\nkind = '{kind}'\n{more}")


def place(exchange: RunningExchange, **fields: object) -> Answer:
    """A placement: one lot of the call, at 99 unless said otherwise: it rests."""
    return ask(exchange, "POST", "/orders/regular", order_form(**{"price": 99, **fields}))


def book(exchange: RunningExchange) -> list[tuple[str | None, str]]:
    """(tag, status) of every order that the book shows."""
    orders = ask(exchange, "GET", "/orders").data
    return [(order["tag"], order["status"]) for order in orders]


def ended(exchange: RunningExchange, kind: str) -> None:
    """End what is on of a kind."""
    assert ask(exchange, "DELETE", f"/sim/faults?kind={kind}").status == 200


def subscribed(link: Socket) -> None:
    """The call and the index in mode full, snapshots taken."""
    link.say("subscribe", [CALL.token, NIFTY.token])
    link.say("mode", ["full", [CALL.token, NIFTY.token]])
    link.frame()
    link.frame()


# --- an order request and its answer


def test_lost_acknowledgement_does_the_request_and_says_nothing(exchange: RunningExchange) -> None:
    """B01: the connection closes without an answer, the order is there; the next is normal."""
    fault(exchange, "lost_acknowledgement")
    with pytest.raises(HUNG_UP):
        place(exchange, tag="lost")
    exchange.step_to(at(1))
    assert book(exchange) == [("lost", "OPEN")]
    assert place(exchange, tag="heard").status == 200


def test_accepted_but_timed_out_holds_the_answer(exchange: RunningExchange) -> None:
    """B01: the client's patience ends first, the order is there; one that waits gets a 504 page."""
    fault(exchange, "accepted_but_timed_out", "count = 2\nhold_ms = 300")
    with pytest.raises(TimeoutError):
        ask(exchange, "POST", "/orders/regular", order_form(tag="held"), timeout_s=0.1)
    answer = place(exchange, tag="waited")
    assert (answer.status, answer.headers["content-type"]) == (504, "text/html; charset=utf-8")
    exchange.step_to(at(1))
    assert [tag for tag, _ in book(exchange)] == ["held", "waited"]


def test_too_many_requests_does_nothing(exchange: RunningExchange) -> None:
    """B06: 429 for placements only; no order comes of it; the count runs out."""
    fault(exchange, "too_many_requests", "count = 2\nrequests = ['place']")
    assert [place(exchange).status for _ in range(3)] == [429, 429, 200]
    assert ask(exchange, "GET", "/orders").status == 200


@pytest.mark.parametrize("accepted", ["true", "false"])
def test_server_error_is_a_page_whether_it_was_done_or_not(
    exchange: RunningExchange, accepted: str
) -> None:
    """B02: HTML with a 5xx; with accepted the order is there all the same."""
    fault(exchange, "server_error", f"status = 503\naccepted = {accepted}\nrequests = ['place']")
    answer = place(exchange, tag="unknown")
    assert answer.status == 503 and b"<h1>503 Service Unavailable</h1>" in answer.body
    exchange.step_to(at(1))
    assert [tag for tag, _ in book(exchange)] == (["unknown"] if accepted == "true" else [])


def test_server_error_can_fail_each_read_alone(exchange: RunningExchange) -> None:
    """B10: positions fail, orders are answered."""
    fault(exchange, "server_error", "requests = ['positions']\ncount = 9")
    assert ask(exchange, "GET", "/orders").status == 200
    assert ask(exchange, "GET", "/portfolio/positions").status == 502


def test_refused_address_refuses_orders_and_nothing_else(exchange: RunningExchange) -> None:
    """The broker's text for an address that is not registered; reads go on."""
    fault(exchange, "refused_address")
    answer = place(exchange)
    assert answer.status == 403 and "is not allowed to place orders" in answer.json["message"]
    assert ask(exchange, "GET", "/orders").data == []
    ended(exchange, "refused_address")
    assert place(exchange).status == 200


def test_empty_answers_are_successes_of_nothing(exchange: RunningExchange) -> None:
    """B10: orders and positions are there and the answer says that they are not."""
    place(exchange, price=101)
    exchange.step_to(at(1))
    assert len(ask(exchange, "GET", "/portfolio/positions").data["net"]) == 1
    fault(exchange, "empty_answers")
    assert ask(exchange, "GET", "/orders").data == []
    assert ask(exchange, "GET", "/portfolio/positions").data == {"net": [], "day": []}
    ended(exchange, "empty_answers")
    assert len(ask(exchange, "GET", "/orders").data) == 1


# --- the login


def test_token_expiry_closes_everything_until_a_new_login(exchange: RunningExchange) -> None:
    """F08: 403 on REST and at the handshake, the socket ends; a login gives a token that lives."""
    with listen(exchange) as link:
        fault(exchange, "token_expiry")
        assert breaks(link)
    answer = ask(exchange, "GET", "/orders")
    assert (answer.status, answer.json["message"]) == (403, TOKEN_WRONG)
    with pytest.raises(InvalidStatus, match="403"), listen(exchange):
        raise AssertionError("it opened")
    login = demo_login.renewed(exchange.rest, exchange.now_ns())
    token = f"demo:{login.access_token.reveal()}"
    assert ask(exchange, "GET", "/orders", token=token).status == 200
    assert ask(exchange, "GET", "/sim/account").json["logins"] == 1


def test_token_expiry_can_leave_sockets_open_and_quiet(exchange: RunningExchange) -> None:
    """What a socket does at the flush is not documented: here it says nothing more."""
    with listen(exchange) as link:
        subscribed(link)
        fault(exchange, "token_expiry", "sockets = 'quiet'\nfor = '10s'")
        exchange.step_to(at(9))
        link.settle()
        exchange.step_to(at(11))
        last = link.ticks()[CALL.token]
    assert last.last_price == 10_010  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["second_login", "token_expiry"])
def test_second_login_and_token_expiry_end_a_token_for_good(
    exchange: RunningExchange, kind: str
) -> None:
    """F08: another program logged in, or the day's flush came: the socket ends, and the end of the
    fault brings no token back; a login gives another one."""
    with listen(exchange) as link:
        fault(exchange, kind, "for = '5s'")
        assert breaks(link)
    assert ask(exchange, "GET", "/orders").status == 403
    exchange.step_to(at(6))
    assert ask(exchange, "GET", "/orders").status == 403
    login = demo_login.renewed(exchange.rest, exchange.now_ns())
    token = f"demo:{login.access_token.reveal()}"
    assert ask(exchange, "GET", "/orders", token=token).status == 200


# --- the network


def test_rest_dead_answers_nothing_and_sockets_live(exchange: RunningExchange) -> None:
    """Requests end without an answer; ticks come."""
    with listen(exchange) as link:
        subscribed(link)
        fault(exchange, "rest_dead", "for = '5s'")
        with pytest.raises(HUNG_UP):
            ask(exchange, "GET", "/orders")
        exchange.step_to(at(1))
        assert link.ticks()
    exchange.step_to(at(6))
    assert ask(exchange, "GET", "/orders").status == 200


def test_sockets_dead_breaks_them_and_rest_lives(exchange: RunningExchange) -> None:
    """F01: sockets break, none can be opened, REST answers; afterwards they open again."""
    with listen(exchange) as link:
        fault(exchange, "sockets_dead", "for = '5s'")
        assert breaks(link)
    with pytest.raises(InvalidMessage), listen(exchange):
        raise AssertionError("it opened")
    assert ask(exchange, "GET", "/orders").status == 200
    exchange.step_to(at(6))
    with listen(exchange) as link:
        assert link.hear()


def test_both_dead_is_both(exchange: RunningExchange) -> None:
    """Neither answers; the controls still do."""
    with listen(exchange) as link:
        fault(exchange, "both_dead", "for = '5s'")
        assert breaks(link)
    with pytest.raises(HUNG_UP):
        ask(exchange, "GET", "/orders")
    with pytest.raises(InvalidMessage), listen(exchange):
        raise AssertionError("it opened")
    assert ask(exchange, "GET", "/sim/faults").json["on"] == ["both_dead"]


def test_socket_drop_breaks_sockets_once(exchange: RunningExchange) -> None:
    """F01: open ones break, a new one opens at once, and nothing is on."""
    with listen(exchange) as link:
        fault(exchange, "socket_drop")
        assert breaks(link)
    with listen(exchange) as link:
        subscribed(link)
    assert ask(exchange, "GET", "/sim/faults").json["on"] == []


def test_socket_storm_accepts_and_drops(exchange: RunningExchange) -> None:
    """F09: each connection lives a moment and breaks, again and again."""
    fault(exchange, "socket_storm", "live_ms = 50")
    for _ in range(3):
        with listen(exchange) as link:
            assert link.hear()
            assert breaks(link)
    ended(exchange, "socket_storm")


def test_silent_socket_answers_pings_and_nothing_else(exchange: RunningExchange) -> None:
    """F01: no tick, no order update, no snapshot; pongs come; then it goes on as if nothing was."""
    with listen(exchange) as link:
        subscribed(link)
        fault(exchange, "silent_socket", "for = '10s'")
        place(exchange, price=101)
        exchange.step_to(at(9))
        link.say("mode", ["ltp", [CALL.token]])
        link.settle()
        exchange.step_to(at(10))
        exchange.step_to(at(11))
        message = link.hear()
        assert isinstance(message, bytes)
        first = kite.decode_frame(message)[0]
        assert first == kite.LtpTick(CALL.token, 10_010) or first.last_price == 10_011  # type: ignore[union-attr]


def test_half_open_socket_answers_nothing_and_breaks_at_the_end(exchange: RunningExchange) -> None:
    """F01: not even a pong, and what is asked is not heard; at its end the socket breaks."""
    with listen(exchange) as link:
        subscribed(link)
        fault(exchange, "half_open_socket", "for = '10s'")
        exchange.step_to(at(5))
        assert not link.link.ping().wait(0.3)
        exchange.step_to(at(11))
        assert breaks(link)
    with listen(exchange) as link:
        link.settle()


# --- frames and subscriptions


@pytest.mark.parametrize("kind", ["malformed_frames", "truncated_frames"])
def test_malformed_frames_and_truncated_frames_are_what_they_say(
    exchange: RunningExchange, kind: str
) -> None:
    """F04: while it is on every frame is one that the codec refuses; then frames are whole."""
    with listen(exchange) as link:
        subscribed(link)
        fault(exchange, kind, "for = '20s'")
        for second in range(1, 20):
            exchange.step_to(at(second))
            with pytest.raises(kite.FrameError):
                kite.walk(link.frame())
        exchange.step_to(at(20))
        assert set(link.ticks()) == {CALL.token, NIFTY.token}


def test_stale_first_tick_is_an_old_one(exchange: RunningExchange) -> None:
    """F06: the snapshot on subscribing is a minute old or more; the frames after it are not."""
    exchange.step_to(at(300))
    fault(exchange, "stale_first_tick")
    with listen(exchange) as link:
        link.say("subscribe", [CALL.token])
        link.say("mode", ["full", [CALL.token]])
        link.frame()
        old = link.ticks()[CALL.token]
        exchange.step_to(at(301))
        new = link.ticks()[CALL.token]
    assert isinstance(old, kite.FullTick) and isinstance(new, kite.FullTick)
    assert 60 <= new.exchange_time_s - old.exchange_time_s <= 130
    assert new.exchange_time_s == START // 1_000_000_000 + 301


def test_partial_subscription_loses_tokens_or_modes(exchange: RunningExchange) -> None:
    """F10: with lost = token nothing of it is subscribed, with lost = mode it stays in quote."""
    with listen(exchange) as link:
        fault(exchange, "partial_subscription")
        link.say("subscribe", [CALL.token, PUT.token])
        link.settle()
        assert ask(exchange, "GET", "/sim/clients").json == [{"tokens": {}}]
        ended(exchange, "partial_subscription")
        fault(exchange, "partial_subscription", "lost = 'mode'")
        link.say("subscribe", [CALL.token])
        link.say("mode", ["full", [CALL.token]])
        link.settle()
        assert ask(exchange, "GET", "/sim/clients").json == [{"tokens": {str(CALL.token): "quote"}}]


def test_clock_offset_moves_every_stamp(exchange: RunningExchange) -> None:
    """B15: ticks, order stamps and their checksum are of the broker's wrong clock; /sim is not."""
    fault(exchange, "clock_offset", "offset_ms = -3600000")
    with listen(exchange) as link:
        subscribed(link)
        place(exchange, price=101)
        exchange.step_to(at(1))
        update = link.text("order")
        tick = link.ticks()[CALL.token]
    assert isinstance(tick, kite.FullTick)
    assert tick.exchange_time_s == START // 1_000_000_000 + 1 - 3_600
    [order] = ask(exchange, "GET", "/orders").data
    assert order["order_timestamp"].startswith("2026-11-20 09:00:0")
    assert update["order_timestamp"] == order["order_timestamp"]
    assert ask(exchange, "GET", "/sim/clock").json["now_ist"] == "10:00:01"


# --- the order book and its messages


def test_duplicate_updates_come_twice(exchange: RunningExchange) -> None:
    """B03: the same update again."""
    fault(exchange, "duplicate_updates")
    with listen(exchange) as link:
        place(exchange, price=101)
        exchange.step_to(at(1))
        assert link.text("order") == link.text("order")


def test_reordered_updates_overtake_each_other(exchange: RunningExchange) -> None:
    """B04: over 30 orders, some update comes after one that is younger."""
    fault(exchange, "reordered_updates")
    with listen(exchange) as link:
        placed = []
        for n in range(30):
            exchange.step_to(START + n * 110_000_000)
            placed.append(place(exchange, price=101).data["order_id"])
        exchange.step_to(at(10))
        heard = [link.text("order")["order_id"] for _ in placed]
    assert sorted(heard) == sorted(placed)
    assert heard != placed


def test_missing_updates_do_not_come(exchange: RunningExchange) -> None:
    """B08: the fill is in the book and no update says so."""
    with listen(exchange) as link:
        fault(exchange, "missing_updates", "for = '5s'")
        place(exchange, price=101, tag="unheard")
        exchange.step_to(at(6))
        place(exchange, price=101, tag="heard")
        exchange.step_to(at(7))
        assert link.text("order")["tag"] == "heard"
    assert book(exchange) == [("unheard", "COMPLETE"), ("heard", "COMPLETE")]


def test_late_fill_after_cancel_fills_a_cancelled_order(exchange: RunningExchange) -> None:
    """B04: cancelled, and then filled after all: the ledger has the units."""
    fault(exchange, "late_fill_after_cancel")
    order_id = place(exchange).data["order_id"]
    exchange.step_to(at(1))
    assert ask(exchange, "DELETE", f"/orders/regular/{order_id}").status == 200
    exchange.step_to(at(20))
    [row] = ask(exchange, "GET", "/sim/ledger").json
    assert row["units"] == 65


def test_listing_lag_hides_a_new_order(exchange: RunningExchange) -> None:
    """An order that was accepted is not in the book, and cannot be found, until the lag is over."""
    fault(exchange, "listing_lag", "lag_ms = 5000")
    order_id = place(exchange, tag="late").data["order_id"]
    exchange.step_to(at(4))
    assert book(exchange) == []
    assert ask(exchange, "GET", f"/orders/{order_id}").status == 400
    exchange.step_to(at(6))
    assert book(exchange) == [("late", "OPEN")]


def test_pending_orders_stay_pending(exchange: RunningExchange) -> None:
    """B12: minutes in OPEN PENDING; at the fault's end the order opens."""
    fault(exchange, "pending_orders", "for = '2m'")
    place(exchange, tag="stuck")
    exchange.step_to(at(100))
    assert book(exchange) == [("stuck", "OPEN PENDING")]
    exchange.step_to(at(130))
    assert book(exchange) == [("stuck", "OPEN")]


def test_rejected_orders_are_accepted_first(exchange: RunningExchange) -> None:
    """B05: 200 with an id, then REJECTED with the message; the next order opens."""
    fault(exchange, "rejected_orders", "message = 'no thanks'")
    assert place(exchange, tag="first").status == 200
    exchange.step_to(at(1))
    assert place(exchange, tag="second").status == 200
    exchange.step_to(at(2))
    assert book(exchange) == [("first", "REJECTED"), ("second", "OPEN")]
    assert "no thanks" in ask(exchange, "GET", "/orders").data[0]["status_message"]


def test_margin_rejects_late_is_a_rejected_order() -> None:
    """Without it a shortfall is a 400; with it, 200 and an order that is REJECTED."""
    poor = AccountSpec(cash_paise=100_000)
    with running_exchange(HandMarket(), speed=0, account=poor) as exchange:
        refused = place(exchange)
        assert (refused.status, refused.json["error_type"]) == (400, "MarginException")
        fault(exchange, "margin_rejects_late")
        assert place(exchange, tag="late").status == 200
        exchange.step_to(at(1))
        assert book(exchange) == [("late", "REJECTED")]


# --- people and the broker


def test_position_closed_by_hand_closes_what_is_open(exchange: RunningExchange) -> None:
    """B11: our position is gone, and not by our order."""
    place(exchange, price=101, tag="ours")
    exchange.step_to(at(1))
    fault(exchange, "position_closed_by_hand")
    exchange.step_to(at(2))
    assert [row["units"] for row in ask(exchange, "GET", "/sim/ledger").json] == [0]
    assert [tag for tag, _ in book(exchange)] == ["ours", None]


def test_position_closed_by_hand_can_name_one(exchange: RunningExchange) -> None:
    """Of two positions only the named one is closed."""
    place(exchange, price=101)
    place(exchange, price=101, tradingsymbol=PUT.tradingsymbol)
    exchange.step_to(at(1))
    fault(exchange, "position_closed_by_hand", f"tradingsymbol = '{PUT.tradingsymbol}'")
    exchange.step_to(at(2))
    left = {row["tradingsymbol"]: row["units"] for row in ask(exchange, "GET", "/sim/ledger").json}
    assert left == {CALL.tradingsymbol: 65, PUT.tradingsymbol: 0}


def test_foreign_order_is_somebody_elses(exchange: RunningExchange) -> None:
    """B11: a fill without our tag; a contract that does not exist makes no order and says so."""
    fault(exchange, "foreign_order", f"tradingsymbol = '{PUT.tradingsymbol}'")
    exchange.step_to(at(1))
    assert book(exchange) == [(None, "COMPLETE")]
    fault(exchange, "foreign_order", "tradingsymbol = 'NONE'")
    assert ask(exchange, "GET", "/sim/faults").json["record"][-1].endswith("no order")
    fault(exchange, "foreign_order", "transaction_type = 'SELL'")
    exchange.step_to(at(2))
    assert len(book(exchange)) == 2


def test_broker_square_off_ends_what_is_intraday(exchange: RunningExchange) -> None:
    """B16: working MIS orders are cancelled, MIS positions closed; NRML stays."""
    place(exchange, price=101, product="MIS", tag="position")
    place(exchange, product="MIS", tag="resting")
    place(exchange, price=101, tag="carried")
    exchange.step_to(at(1))
    fault(exchange, "broker_square_off")
    exchange.step_to(at(2))
    ledger = ask(exchange, "GET", "/sim/ledger").json
    assert {row["product"]: row["units"] for row in ledger} == {"MIS": 0, "NRML": 65}
    assert ("resting", "CANCELLED") in book(exchange)


def test_broker_message_is_a_text_on_every_socket(exchange: RunningExchange) -> None:
    """Words of the broker, as they were given; a socket that is silent gets none, and the record
    says on how many they were said."""
    with listen(exchange) as one, listen(exchange) as two:
        one.settle()
        two.settle()
        fault(exchange, "broker_message", "text = 'Markets close at 15:45 today.'")
        said = [link.text("message") for link in (one, two)]
        assert said == ["Markets close at 15:45 today."] * 2
        fault(exchange, "silent_socket")
        fault(exchange, "broker_message")
        lines = ask(exchange, "GET", "/sim/faults").json["record"]
    said = [line.partition(": ")[2] for line in lines if "broker_message" in line]
    assert said == ["happens", "said on 2 sockets", "happens", "said on 0 sockets"]


def test_every_kind_has_its_test() -> None:
    """No fault is in the table without a test here that is named after it."""
    names = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    missing = [kind.name for kind in KINDS if not any(kind.name in name for name in names)]
    assert missing == []
