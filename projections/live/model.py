"""The live model: folds a journal's envelopes and gives out what they amount to.

Lives here: ``LiveModel``, owned by one reader. May import: events, projections.live. Always holds:
``view()`` after the same envelopes is the same value, live or recorded; a view given out never
changes afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from events import registry
from events.envelope import UNDECODABLE, Envelope, EnvelopeError, decode_envelope, encode_payload
from events.orders import PositionChanged
from events.upcast import current_event
from projections.live.copying import copied
from projections.live.fold import APPLY, APPLY_RAW, Apply
from projections.live.state import ReasonState, State, UnderlyingState
from projections.live.view import (
    FunnelRow,
    LiveView,
    MoneyView,
    PositionView,
    UnderlyingView,
)

UNREADABLE: Final = (
    registry.UnknownKindError,
    registry.VersionTooNewError,
    registry.PayloadError,
)


class Standing(msgspec.Struct, frozen=True):
    """``verdicts``: regime and last decision's key by underlying; the spot is the first one's."""

    verdicts: tuple[tuple[str | None, tuple[str, str, str] | None], ...]
    risk: str | None
    spot_paise: int | None


class LiveModel:
    """Mutable, for one thread. Feed it with ``fold`` in seq order, ask it with ``view``."""

    def __init__(self) -> None:
        self._state = State()
        self._funnel: tuple[FunnelRow, ...] = ()
        self._funnel_at = 0
        self._closed: tuple[PositionView, ...] = ()
        self._closed_seq = 0

    @property
    def seq(self) -> int:
        """The last seq folded, 0 before the first."""
        return self._state.seq

    @property
    def ts(self) -> int:
        """The session clock (ns UTC) after the last entry folded."""
        return self._state.ts

    def copy(self) -> LiveModel:
        """Another model that has folded the same and goes its own way."""
        self.settle()
        made: LiveModel = copied(self)
        return made

    def settle(self) -> None:
        """Take what waits until somebody asks; the view is the same before and after."""
        self._state.quotes.settle()

    def standing(self) -> Standing:
        """What a person would call a change when it changes; costs a few microseconds."""
        state = self._state
        rows = state.underlyings.values()
        return Standing(
            tuple((row.regime, row.episode.last.key if row.episode else None) for row in rows),
            None if state.risk is None else state.risk.status,
            next((row.spot_paise for row in rows if row.spot_paise is not None), None),
        )

    def fold_bytes(self, data: bytes) -> None:
        """Fold one entry as the journal's reader hands it over."""
        try:
            envelope = decode_envelope(data)
        except EnvelopeError:
            self._state.unreadable += 1
            return
        self.fold(envelope)

    def fold(self, envelope: Envelope) -> None:
        """Fold one envelope. One that cannot be read is counted and noted, never raised."""
        state = self._state
        state.seq = envelope.seq
        state.ts = envelope.ts
        state.facts += envelope.is_fact
        apply = APPLY.get(envelope.kind)
        if apply is not None:
            self._apply(apply, envelope)
        elif envelope.kind in APPLY_RAW:
            self._apply_raw(envelope)
        elif envelope.kind not in registry.BY_KIND:
            self._unreadable(envelope, "KIND_UNKNOWN")

    def _apply(self, apply: Apply, envelope: Envelope) -> None:
        try:
            event = current_event(envelope)
        except UNREADABLE as error:
            self._unreadable(envelope, str(error).partition(":")[0])
            return
        apply(self._state, envelope, event)
        if envelope.kind == "BarClosed":
            self._sample_net()

    def _apply_raw(self, envelope: Envelope) -> None:
        """Keep a payload undecoded, unless it is of an older shape: then in the current one."""
        payload = bytes(envelope.payload)
        if envelope.version != registry.BY_KIND[envelope.kind].version:
            try:
                payload = encode_payload(current_event(envelope))
            except UNREADABLE as error:
                self._unreadable(envelope, str(error).partition(":")[0])
                return
        try:
            APPLY_RAW[envelope.kind](self._state, envelope, payload)
        except UNDECODABLE:
            self._unreadable(envelope, "PAYLOAD_INVALID")

    def _unreadable(self, envelope: Envelope, fault: str) -> None:
        self._state.unreadable += 1
        self._state.note(envelope, fault, None, fault)

    # --- out -----------------------------------------------------------------------------------

    def view(self) -> LiveView:
        """The frozen whole. Costs some tens of microseconds; ask for it once a frame."""
        state = self._state
        positions = tuple(self._position(ts, event) for ts, event in state.positions.values())
        return LiveView(
            session=state.session,
            hours=state.hours,
            settings=tuple(state.settings.values()),
            symbols=state.symbols,
            instruments=state.instruments,
            quotes=state.quotes.frozen(),
            artifacts=tuple(state.artifacts),
            governance=state.governance,
            pricing=state.pricing,
            seq=state.seq,
            ts=state.ts,
            facts=state.facts,
            ticks=state.quotes.ticks,
            closed=state.closed,
            underlyings=tuple(self._underlying(row) for row in state.underlyings.values()),
            positions=positions,
            closed_positions=self._closed_rows(),
            orders=tuple(state.orders.values()),
            fills=tuple(state.fills),
            approvals=tuple(state.approvals.values()),
            commands=tuple(state.commands),
            kill=state.kill,
            sends=state.sends,
            money=self._money(positions),
            capital_paise=state.capital_paise,
            risk=state.risk,
            connections=tuple(state.connections[key] for key in sorted(state.connections)),
            decisions=state.decisions,
            trades=state.trades,
            funnel=self._funnel_rows(),
            episodes=tuple(state.episodes),
            trade_decisions=tuple(state.trade_decisions),
            notices=tuple(state.notices),
            frames_rejected=state.frames_rejected,
            unreadable=state.unreadable,
            watch=state.watch.view(),
            state_hash=state.state_hash,
            seen_hash=state.seen_hash,
        )

    def _underlying(self, row: UnderlyingState) -> UnderlyingView:
        spot, spot_ts = row.spot_paise, row.spot_ts
        vix, vix_ts = row.vix_paise, row.vix_ts
        quotes = self._state.quotes.now
        seen = None if row.spot_row is None else quotes.last_price(row.spot_row.token)
        if seen is not None:
            spot, spot_ts = seen
        seen = None if row.vix_row is None else quotes.last_price(row.vix_row.token)
        if seen is not None:
            vix, vix_ts = seen
        return UnderlyingView(
            name=row.name,
            spot_paise=spot,
            spot_ts=spot_ts,
            spot_estimated=row.spot_row is None or row.spot_row.provenance != "exchange",
            forward_paise=row.forward_paise,
            forward_source=row.forward_source,
            snapshot_ts=row.snapshot_ts,
            vix_paise=vix,
            vix_ts=vix_ts if vix is not None else None,
            regime=row.regime,
            regime_since_ts=row.regime_since_ts,
            leader=row.leader,
            leader_prob_milli=row.leader_prob_milli,
            unstable=row.unstable,
            day_type=row.day_type,
            bars_done=row.bars_done,
            closes_paise=tuple(row.closes),
            episode=row.episode,
            stages=tuple(row.stages.values()),
            expiries=row.expiries,
            screened=row.screened,
            candidate=row.candidate,
            features=row.features,
        )

    def _position(self, ts: int, event: PositionChanged) -> PositionView:
        row = self._state.instrument(event.contract)
        is_open = event.status != "CLOSED"
        mark = None
        if row is not None and is_open:
            quotes = self._state.quotes.now
            long = event.quantity_units >= 0
            mark = quotes.bid(row.token) if long else quotes.ask(row.token)
        price = None if mark is None else mark[0]
        open_gain = None if price is None else (price - event.average_paise) * event.quantity_units
        return PositionView(
            position_id=event.position_id,
            underlying=event.underlying,
            strategy_id=event.strategy_id,
            symbol=self._state.symbol(event.contract),
            contract=event.contract,
            is_open=is_open,
            quantity_units=event.quantity_units,
            lot_units=0 if row is None else row.lot_units,
            average_paise=event.average_paise,
            mark_paise=price,
            mark_ts=None if mark is None else mark[1],
            unrealised_paise=open_gain,
            realised_paise=event.realised_paise,
            charges_paise=event.charges_paise,
            stop_paise=event.stop_paise,
            target_paise=event.target_paise,
            trail_paise=event.trail_paise,
            opened_ts=event.opened_ts,
            changed_ts=ts,
            exit_reason=event.exit_reason,
        )

    def _closed_rows(self) -> tuple[PositionView, ...]:
        """Oldest first. Rebuilt only after a position closed."""
        rows = self._state.closed_positions
        if rows and rows[-1][0] != self._closed_seq:
            self._closed_seq = rows[-1][0]
            self._closed = tuple(self._position(ts, event) for _, ts, event in rows)
        return self._closed

    def _money(self, positions: tuple[PositionView, ...]) -> MoneyView:
        state = self._state
        realised = state.closed_realised_paise + sum(p.realised_paise for p in positions)
        marks = [p.unrealised_paise for p in positions]
        known = [gain for gain in marks if gain is not None]
        unrealised = sum(known) if len(known) == len(marks) else None
        unopened = state.session is None
        booked = state.carried_net_paise + realised - state.charges_paise
        return MoneyView(
            carried_net_paise=state.carried_net_paise,
            realised_paise=realised,
            charges_paise=state.charges_paise,
            unrealised_paise=unrealised,
            net_paise=None if unrealised is None or unopened else booked + unrealised,
            net_by_bar_paise=tuple(state.net_by_bar),
        )

    def _sample_net(self) -> None:
        """One sample of the net P&L a bar, at the first bar that closes at its time."""
        state = self._state
        if state.ts == state.net_sampled_ts:
            return
        state.net_sampled_ts = state.ts
        money = self._money(
            tuple(self._position(ts, event) for ts, event in state.positions.values())
        )
        if money.net_paise is not None:
            state.net_by_bar.append(money.net_paise)

    def _funnel_rows(self) -> tuple[FunnelRow, ...]:
        """Largest count first. Rebuilt only after a decision."""
        state = self._state
        if state.decisions != self._funnel_at:
            self._funnel_at = state.decisions
            rows = sorted(state.reasons.items(), key=lambda item: (-item[1].count, item[0]))
            self._funnel = tuple(self._funnel_row(key, row) for key, row in rows)
        return self._funnel

    def _funnel_row(self, key: tuple[str, str, str], row: ReasonState) -> FunnelRow:
        stage, reason, outcome = key
        names = self._state.underlyings
        columns = max(map(len, row.heat.values()), default=0)
        heats = tuple(_filled(row.heat.get(name, ()), columns) for name in names)
        return FunnelRow(
            stage=stage,
            reason=reason,
            traded=outcome == "TRADE",
            count=row.count,
            by_underlying=tuple(row.by_underlying.get(name, 0) for name in names),
            last_ts=row.last_ts,
            heat=tuple(map(sum, zip(*heats, strict=True))),
            heat_by_underlying=heats,
            blocking_now=tuple(
                name
                for name, found in names.items()
                if found.episode is not None and found.episode.last.key == key
            ),
            recent=tuple(row.recent),
            sole=sum(row.sole_by_underlying.values()),
            sole_by_underlying=tuple(row.sole_by_underlying.get(name, 0) for name in names),
            sole_recent=tuple(row.sole_recent),
            nearest=tuple(sorted(row.nearest.values(), key=lambda one: (one.ppm, one.line.seq))),
        )


def _filled(counts: Sequence[int], columns: int) -> tuple[int, ...]:
    return (*counts, *(0,) * (columns - len(counts)))
