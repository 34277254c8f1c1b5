"""The reason table: one reason, one code, in one place.

Lives here: stages in their order, and every reason code with its number, stage, kind, evidence,
sentence and what to do. May import: msgspec. Always holds: codes and numbers are never reused, a
retired code stays with its mark, declaration order inside a stage is precedence; text explains a code
and nothing ever matches on it. ``docs/REASONS.md`` and every surface are made from this table.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Kind = Literal["BLOCK", "UNKNOWN", "HALT", "INFO"]

STAGES: Final[tuple[str, ...]] = (
    "N1_MARKET_OPEN",
    "N2_FEED_FRESH",
    "N3_WARMUP_DONE",
    "N4_QUOTE_OK",
    "N5_REGIME_OK",
    "N6_RISK_OK",
    "N7_GOVERNANCE_LOCKS_OK",
    "N8_STRATEGY_SELECT",
    "N9_STRATEGY_ELIGIBLE",
    "N10_DECISION_READY",
    "N11_FINAL_DECISION",
)
N1, N2, N3, N4, N5, N6, N7, N8, N9, N10, N11 = STAGES

STAGE_TITLES: Final[tuple[str, ...]] = (
    "market open",
    "feed fresh",
    "warm-up done",
    "quotes usable",
    "regime clear",
    "risk within limits",
    "no lock or halt",
    "strategy family chosen",
    "strategy eligible",
    "contract ready",
    "sized and approved",
)


class ReasonSpec(msgspec.Struct, frozen=True):
    """One reason. ``stage`` is a stage, or EXIT, ORDER, FEED, RISK, JOURNAL, ENGINE, COMMAND, LIVE,
    FEATURE for the rest."""

    code: str
    number: int
    stage: str
    kind: Kind
    evidence: tuple[str, ...]
    sentence: str
    what_to_do: str
    since: str
    retired: str | None
    legacy_code: str | None


_OLM: Final = ("observed", "limit", "margin")


def _r(
    code: str,
    number: int,
    stage: str,
    kind: Kind,
    sentence: str,
    what_to_do: str,
    evidence: tuple[str, ...] = _OLM,
    legacy: str | None = None,
) -> ReasonSpec:
    return ReasonSpec(
        code, number, stage, kind, evidence, sentence, what_to_do, "0.1.0", None, legacy
    )


_WAIT: Final = "Nothing to do; it passes by itself."

_SESSION: Final = (
    _r("SESSION_RULE_MISSING", 101, N1, "UNKNOWN", "The rulebook has no session times for this day.",
       "Add the day's rows to the rulebook overlay with their source.", ()),
    _r("SESSION_NOT_TRADING_DAY", 102, N1, "BLOCK", "The exchange does not trade on this day.",
       "Check the calendar if you expected a session.", ()),
    _r("SESSION_NOT_OPEN", 103, N1, "BLOCK", "The derivatives session has not opened or has closed.",
       _WAIT, _OLM, "MARKET_CLOSED"),
    _r("SESSION_LAST_ENTRY_PAST", 104, N1, "BLOCK",
       "It is past the last time of day for a new entry.",
       "Entries resume next session; see setting session.last_entry_hhmm."),
    _r("SESSION_CLOSING_AUCTION", 105, N1, "BLOCK",
       "The cash market is in its closing auction, so the index is not continuous.",
       "Entries are off during the auction; exits go on."),
    _r("RULEBOOK_STALE", 106, N1, "UNKNOWN", "The rulebook's last rows for the calendar or the hours have ended.",
       "Add the rows that followed: `axiom rulebook check` names them, `axiom rulebook add` adds them.", ()),
)  # fmt: skip
_FEED: Final = (
    _r("FEED_NEVER_SEEN", 201, N2, "UNKNOWN", "No frame has arrived on this connection yet.",
       "Wait for the first frame, then check the feed's login and subscription.", ()),
    _r("FEED_DOWN", 202, N2, "BLOCK", "The feed's connection is not up, or its subscription is not verified.",
       "Check the connection; it is retried by itself.", (), "FEED_STALE"),
    _r("FEED_GAP", 203, N2, "BLOCK", "No frame for longer than the feed may be silent: an outage.",
       "Entries wait for the next frame. If it lasts, check the network and the broker.", _OLM, "FEED_STALE"),
    _r("FEED_PAGE_OLD", 204, N2, "BLOCK", "The exchange's own time stamp is older than the ceiling.",
       "The source is late; entries wait until its stamps are recent again."),
    _r("FEED_FUTURE_STAMP", 205, N2, "BLOCK", "An exchange time stamp lies ahead of the session clock.",
       "Check the machine's clock against a time server."),
    _r("FEED_UNTRUSTED", 206, N2, "BLOCK", "Too many frames of the last minute were refused as malformed.",
       "Look at the rejected frames in the journal; reconnect the feed."),
)  # fmt: skip
_WARMUP: Final = (
    _r("WARMUP_BARS", 301, N3, "BLOCK", "Too few closed bars for the indicators.", _WAIT, _OLM, "WARMUP_INCOMPLETE"),
    _r("WARMUP_INDICATORS", 302, N3, "UNKNOWN", "An indicator that a gate needs has no value yet.",
       _WAIT, (), "INDICATORS_MISSING"),
    _r("WARMUP_AFTER_GAP", 303, N3, "BLOCK", "Too few bars since the last gap in the feed.", _WAIT),
)  # fmt: skip
_QUOTE: Final = (
    _r("QUOTE_SPOT_MISSING", 401, N4, "UNKNOWN", "The underlying has no print.",
       "Check that the index is subscribed.", (), "QUOTE_INVALID"),
    _r("QUOTE_STALE_PAGE", 402, N4, "BLOCK", "The source repeated an earlier page: there is no fresh print.",
       _WAIT, ()),
    _r("QUOTE_SPOT_STALE", 403, N4, "BLOCK", "The underlying's last print is older than its ceiling.", _WAIT),
    _r("QUOTE_WITNESS_MISSING", 404, N4, "UNKNOWN",
       "Nothing confirms the underlying's print: no future and no parity forward.",
       "Wait for two-sided quotes near the money."),
    _r("QUOTE_WITNESS_DISAGREES", 405, N4, "BLOCK",
       "The underlying's print and its witness are further apart than allowed.",
       "Look at both prices; one of the two feeds may be wrong."),
    _r("QUOTE_CHAIN_THIN", 406, N4, "BLOCK", "Too few near-the-money contracts have fresh two-sided quotes.", _WAIT),
    _r("QUOTE_SPREAD_WIDE", 407, N4, "BLOCK", "The median near-the-money spread is wider than allowed.", _WAIT),
    _r("QUOTE_SPREAD_UNKNOWN", 408, N4, "UNKNOWN", "No near-the-money contract has a fresh two-sided quote.", _WAIT, ()),
)  # fmt: skip
_REGIME: Final = (
    _r("REGIME_UNKNOWN", 501, N5, "UNKNOWN", "No regime has been assessed yet.", _WAIT, (), "REGIME_UNKNOWN"),
    _r("REGIME_PROB_LOW", 502, N5, "BLOCK", "The leading regime is not likely enough.", _WAIT, _OLM, "REGIME_UNSTABLE"),
    _r("REGIME_ENTROPY_HIGH", 503, N5, "BLOCK", "The regime probabilities are too evenly spread.",
       _WAIT, _OLM, "REGIME_UNSTABLE"),
    _r("REGIME_CHANGING", 504, N5, "BLOCK", "A new regime leads but has not led for long enough.",
       _WAIT, _OLM, "REGIME_UNSTABLE"),
)  # fmt: skip
_RISK: Final = (
    _r("RISK_DAILY_LOSS", 601, N6, "HALT", "The day's loss with open positions has reached its limit.",
       "No new entries today; review the day.", _OLM, "RISK_LIMIT"),
    _r("RISK_TRADES_DAY", 602, N6, "BLOCK", "The day's number of trades is used up.",
       "Entries resume next session.", _OLM, "RISK_LIMIT"),
    _r("RISK_LOSS_STREAK", 603, N6, "BLOCK", "Too many losing trades in a row today.",
       "Entries resume next session.", _OLM, "RISK_LIMIT"),
    _r("RISK_OPEN_RISK", 604, N6, "BLOCK", "Open positions and orders already carry the allowed risk.",
       "Wait for a position to close.", _OLM, "RISK_LIMIT"),
    _r("RISK_POSITION_OPEN", 605, N6, "BLOCK", "This underlying already has its allowed positions or orders.",
       "Wait for the position to close."),
)  # fmt: skip
_GOVERNANCE: Final = (
    _r("GOV_CARRY_MISSING", 701, N7, "UNKNOWN", "Nothing says what the account carries over.",
       "Open the session through the runner, which journals it.", ()),
    _r("GOV_HALTED", 702, N7, "HALT", "The operator halted new entries.",
       "Entries go on once an operator resumes with a reason.", (), "LOCK_ACTIVE"),
    _r("GOV_CYCLES_MISSED", 703, N7, "BLOCK", "The engine missed cycles: it could not keep up.",
       "Check the machine's load; entries wait for a clean cycle."),
    _r("GOV_EXITS_ONLY", 704, N7, "HALT", "This session stands beside a quarantined one: it may exit and not enter.",
       "Restore or resolve the quarantined session, then open a new one.", ()),
    _r("GOV_LOGIN", 705, N7, "BLOCK", "The broker does not take the login any more.",
       "Log in again: `axiom login`; exits and halts need it too.", ()),
    _r("GOV_CLOCK_OFFSET", 706, N7, "BLOCK", "The machine's clock and the session clock are further apart than allowed.",
       "Check the machine's time service.", ()),
    _r("GOV_UNHEALTHY", 707, N7, "BLOCK", "The engine's process or its machine is not in order.",
       "See what it names: disk, durability, inbox.", ()),
    _r("GOV_UNRECONCILED", 708, N7, "UNKNOWN", "Our books have not been compared with the broker's yet.",
       "Wait for the next comparison; if it fails, check the broker.", _OLM),
    _r("GOV_ORDER_UNKNOWN", 709, N7, "BLOCK", "The fate of an order is not known.",
       "It is searched by itself; after the cut-off a person resolves it.", _OLM),
    _r("GOV_BOOKS_DIFFER", 710, N7, "BLOCK", "Our books and the broker's differ.",
       "Look at the differences and at the broker's own screens.", _OLM),
    _r("GOV_REJECT_BURST", 711, N7, "BLOCK", "The broker refused too many orders within a minute.",
       "Look at the reasons that the broker gave.", _OLM),
    _r("GOV_NOT_ARMED", 712, N7, "BLOCK", "Nobody armed the session for entries.",
       "Arm the session once you want it to trade.", ()),
    _r("GOV_FRAMES_DROPPED", 713, N7, "BLOCK", "Frames were lost because the engine could not take them.",
       "Check the machine's load; entries go on a minute after the last loss.", _OLM),
    _r("GOV_STOPPING", 714, N7, "HALT", "The session is ending, so nothing is entered any more.",
       "Start another session when you want to trade.", ()),
    _r("GOV_ENTRY_BURST", 715, N7, "BLOCK", "As many entries were approved within a minute as is allowed.",
       "If that is not what you expect of the strategies, halt and look.", _OLM),
    _r("GOV_BOOKS_OLD", 716, N7, "BLOCK", "Our books were last found equal to the broker's too long ago.",
       "Wait for the next comparison; if it fails or differs, look at both books.", _OLM),
    _r("GOV_LOGIN_UNKNOWN", 717, N7, "UNKNOWN", "Nobody says whether the broker takes the login.",
       "It is asked again by itself; if that goes on, check the network and `axiom login`.", ()),
    _r("GOV_RECONNECTED", 718, N7, "UNKNOWN", "A connection came back, and our books were not found equal to the broker's since.",
       "The books are asked for at once; if they fail or differ, look at both.", ()),
)  # fmt: skip
_SELECT: Final = (
    _r("FAMILY_NONE", 801, N8, "BLOCK", "No strategy family may trade this regime.", _WAIT, (), "NO_STRATEGY_QUALIFIED"),
    _r("FAMILY_NOT_FOR_REGIME", 802, N8, "BLOCK", "This family is not meant for the regime.", _WAIT, ()),
    _r("FAMILY_DISABLED", 803, N8, "BLOCK", "This family is switched off.",
       "See settings strategy.*.enabled.", ()),
)  # fmt: skip
_ELIGIBLE: Final = (
    _r("COOLDOWN_ACTIVE", 901, N9, "BLOCK", "The underlying is cooling down after its last trade.", _WAIT),
    _r("SIGNAL_NONE", 902, N9, "BLOCK", "The strategy sees no signal.", _WAIT, (), "no_signal"),
    _r("SIGNAL_WEAK", 903, N9, "BLOCK", "The signal is weaker than required.", _WAIT, _OLM, "signal_score_below_min"),
)  # fmt: skip
_CONTRACT: Final = (
    _r("EXPIRY_NONE", 1001, N10, "UNKNOWN", "No listed expiry qualifies, or its forward is unknown.",
       "Check the instruments and quotes of the nearest expiries.", ()),
    _r("CONTRACT_NONE_LEFT", 1002, N10, "BLOCK",
       "Every contract looked at was rejected; its first filter stands beside each.",
       "See the screened contracts: `axiom why --contract SYMBOL`.", _OLM, "no_viable_candidates"),
    _r("CONTRACT_ONE_SIDED", 1003, N10, "BLOCK", "The contract has no two-sided quote.", _WAIT, (), "no_bid_ask"),
    _r("CONTRACT_STALE", 1004, N10, "BLOCK", "The contract's quote is older than its ceiling.", _WAIT, (), "stale_option_quote"),
    _r("CONTRACT_SPREAD", 1005, N10, "BLOCK", "The contract's spread is too wide.", _WAIT, (), "spread_pct"),
    _r("CONTRACT_VOLUME", 1006, N10, "BLOCK", "The contract has traded too little today.", _WAIT, (), "low_volume"),
    _r("CONTRACT_OI", 1007, N10, "BLOCK", "The contract's open interest is too small.", _WAIT, (), "low_oi"),
    _r("CONTRACT_IV_UNKNOWN", 1008, N10, "UNKNOWN", "The contract's implied volatility cannot be found.",
       _WAIT, (), "iv_bounds"),
    _r("CONTRACT_DELTA", 1009, N10, "BLOCK", "The contract's delta is outside the band.", _WAIT, (), "delta"),
    _r("CONTRACT_PREMIUM", 1010, N10, "BLOCK", "The contract's premium is outside the band.", _WAIT, (), "premium_band_fail"),
    _r("CONTRACT_REWARD", 1011, N10, "BLOCK", "Reward against risk after charges is too small.", _WAIT, ()),
    _r("CONTRACT_NOT_AS_BEFORE", 1012, N10, "BLOCK",
       "The contract's lot, tick, expiry or token is not what it was in the session before.",
       "Compare it at the exchange; acknowledge the incident CONTRACT_CHANGED where it is not held.", ()),
)  # fmt: skip
_FINAL: Final = (
    _r("SIZE_RISK_BUDGET", 1101, N11, "BLOCK", "One lot risks more than the budget of a trade.",
       "A larger capital or a nearer stop would allow a lot.", _OLM, "SIZING_BLOCK:RISK_BUDGET_TOO_SMALL"),
    _r("SIZE_FUNDS", 1102, N11, "BLOCK", "One lot with its charges costs more than the free funds.",
       "Add funds or close a position."),
    _r("SIZE_OPEN_RISK", 1103, N11, "BLOCK", "One lot would carry the open risk past its limit.",
       "Wait for a position to close."),
    _r("SIZE_FREEZE_UNKNOWN", 1104, N11, "UNKNOWN", "The rulebook has no freeze quantity for this underlying.",
       "Add the row to the rulebook overlay with its source.", ()),
    _r("SIZE_LOT_STALE", 1105, N11, "UNKNOWN", "The rulebook's last row for this underlying's lot has ended.",
       "Add the lot that followed with its source: `axiom rulebook add`.", ()),
    _r("APPROVAL_PENDING", 1106, N11, "BLOCK", "The entry waits for a person to approve it.",
       "Approve it, or let it lapse.", ()),
    _r("TRADE_APPROVED", 1190, N11, "INFO", "All eleven stages passed; the entry was approved.", "Nothing to do.", ()),
)  # fmt: skip
_UPSTREAM: Final = tuple(
    _r(f"UPSTREAM_{stage}", 1201 + place, stage, "UNKNOWN",
       f"An input comes from the stage '{STAGE_TITLES[place]}', which gave none.",
       "Look at that stage first.", ("depends_on",))
    for place, stage in enumerate(STAGES)
)  # fmt: skip
_EXIT: Final = (
    _r("EXIT_STOP", 1301, "EXIT", "INFO", "The bid reached the stop.", "Nothing to do.", ("trigger", "seen")),
    _r("EXIT_TARGET", 1302, "EXIT", "INFO", "The bid reached the target.", "Nothing to do.", ("trigger", "seen")),
    _r("EXIT_TRAIL", 1303, "EXIT", "INFO", "The bid fell back to the trailing stop.", "Nothing to do.", ("trigger", "seen")),
    _r("EXIT_TIME", 1304, "EXIT", "INFO", "The position was held for its longest time.", "Nothing to do.", ()),
    _r("EXIT_SQUARE_OFF", 1305, "EXIT", "INFO", "The own square-off time of the day has come.", "Nothing to do.", ()),
    _r("EXIT_REGIME_FLIP", 1306, "EXIT", "INFO", "The regime turned to one in which this trade has no place.",
       "Nothing to do.", ()),
    _r("EXIT_PROTECT", 1307, "EXIT", "INFO", "A stop rests at the broker for the position, or was hit there.",
       "Nothing to do.", ("trigger", "seen")),
    _r("EXIT_OPERATOR", 1308, "EXIT", "INFO", "The operator closes every position.",
       "Nothing to do.", ()),
    _r("EXIT_BLIND", 1309, "EXIT", "INFO", "The feed was silent for longer than a position may be held blind.",
       "Check the feed.", ()),
    _r("EXIT_BY_HAND", 1310, "EXIT", "INFO", "Somebody sold the position outside of the engine.",
       "Nothing to do, if that was meant.", ()),
    _r("EXIT_EXCEEDS_LONG", 1311, "EXIT", "BLOCK", "The exit would sell more than is held and confirmed.",
       "Compare with the broker's positions; the exit is made anew for what is left.", ()),
    _r("EXIT_RESOLVED", 1312, "EXIT", "INFO", "A person said that the broker does not hold the position any more; its result is not confirmed.",
       "Find the sale in the broker's trade book; the price in the journal is the lower of bid and cost.", ()),
    _r("EXIT_TP1", 1313, "EXIT", "INFO", "The bid reached the first target: a part of the position is sold.",
       "Nothing to do.", ("trigger", "seen")),
    _r("EXIT_BREAK_EVEN", 1314, "EXIT", "INFO", "The first target was met: the stop stands at break-even.",
       "Nothing to do.", ()),
    _r("EXIT_HALT", 1315, "EXIT", "INFO", "A limit of the account was broken, and its positions are closed.",
       "Review the day; see setting plan.hard_halt.", ()),
    _r("EXIT_DEADLINE", 1316, "EXIT", "INFO", "The hard deadline of the day has come: it is sold at whatever price.",
       "Look why the square-off did not come through.", ()),
    _r("EXIT_SETTLED", 1317, "EXIT", "INFO", "The contract expired and was settled at the index's closing value.",
       "Compare the value with the exchange's.", ()),
)  # fmt: skip
_ORDER: Final = (
    _r("ORDER_ACCEPTED", 1401, "ORDER", "INFO", "The broker accepted the order.", "Nothing to do.", ()),
    _r("ORDER_FILLED", 1402, "ORDER", "INFO", "The order is filled.", "Nothing to do.", ()),
    _r("ORDER_PARTIAL", 1403, "ORDER", "INFO", "The order is filled in part.", "Nothing to do.", ()),
    _r("ORDER_LAPSED", 1404, "ORDER", "INFO", "The entry was not filled in its time and was cancelled.",
       "An entry is never sent again; the next decision stands on its own.", ()),
    _r("ORDER_DAY_END", 1405, "ORDER", "INFO", "The session ended while the order was working.",
       "Look at the position: it may be open overnight.", ()),
    _r("ORDER_EXITED", 1406, "ORDER", "INFO", "The position is being closed, so the rest of its entry was cancelled.",
       "Nothing to do.", ()),
    _r("ORDER_WANTED", 1407, "ORDER", "INFO", "The order was decided and its message is wanted.",
       "Nothing to do.", ()),
    _r("ORDER_CANCELLED", 1408, "ORDER", "INFO", "The broker cancelled the order.",
       "Nothing to do, if that was wanted.", ()),
    _r("ORDER_REJECTED", 1409, "ORDER", "INFO", "The broker or the exchange rejected the order.",
       "Read the broker's own words in the journal.", ()),
    _r("ORDER_FOUND", 1410, "ORDER", "INFO", "An order whose fate was unknown was found at the broker.",
       "Nothing to do.", ()),
    _r("ORDER_UNKNOWN", 1411, "ORDER", "UNKNOWN", "The broker's answer to the order was lost: it may be live.",
       "It is searched by its tag each second; it is never sent again.", ()),
    _r("ORDER_LATE_FILL", 1412, "ORDER", "INFO", "An order that was over was filled after all.",
       "Look at the position; it is protected and managed like any other.", ()),
    _r("ORDER_EXTERNAL", 1413, "ORDER", "INFO", "An order that is not ours sold what we hold.",
       "Nothing to do, if that was meant.", ()),
    _r("ORDER_KILLED", 1414, "ORDER", "INFO", "The order was stopped by a halt.",
       "Nothing to do.", ()),
    _r("ORDER_NOT_NEEDED", 1415, "ORDER", "INFO", "The position that the order belongs to is closed.",
       "Nothing to do.", ()),
    _r("ORDER_REPLACED", 1416, "ORDER", "INFO", "The order was modified as often as is allowed; another takes its place.",
       "Nothing to do.", ()),
    _r("ORDER_NOT_SENT", 1417, "ORDER", "INFO", "The message never left this machine.",
       "Check the network; an entry is not tried again, an exit is.", ()),
    _r("ORDER_REFUSED", 1418, "ORDER", "INFO", "The broker refused the message.",
       "Read the broker's own words in the journal.", ()),
    _r("ORDER_REFUSED_MARGIN", 1419, "ORDER", "INFO", "The broker refused the order for want of funds.",
       "Add funds, or trade smaller.", ()),
    _r("ORDER_REFUSED_LOGIN", 1420, "ORDER", "INFO", "The broker refused the message: the login does not hold.",
       "Log in again: `axiom login`.", ()),
    _r("ORDER_REFUSED_PERMISSION", 1421, "ORDER", "INFO", "The broker does not permit the call.",
       "Check the app's permissions at the broker.", ()),
    _r("ORDER_REFUSED_ADDRESS", 1422, "ORDER", "INFO", "The broker refuses orders from this machine's address.",
       "Register the address at the broker, and use the exit by hand meanwhile.", ()),
    _r("ORDER_REFUSED_RATE", 1423, "ORDER", "INFO", "The broker refused the message for its rate.",
       "Check what else sends orders for the account.", ()),
    _r("ORDER_LAPSED_UNSENT", 1424, "ORDER", "INFO", "The engine ended before the order left; it is not sent any more.",
       "Nothing to do; what is still needed is decided anew.", ()),
    _r("ORDER_RESOLVED_LAPSED", 1425, "ORDER", "INFO", "A person said that an order, unknown or missing from the broker's books, is not there.",
       "Nothing to do.", ()),
    _r("ORDER_NOT_LISTED", 1426, "ORDER", "UNKNOWN", "The broker's order book does not show an order that works.",
       "The next comparison looks again; an absent order is not over, unless `axiom resolve` says so.", ()),
    _r("ORDER_ADOPTED", 1427, "ORDER", "INFO", "A person made a long that others bought ours to manage.",
       "Nothing to do; it has a stop and the configured plan.", ()),
    _r("ORDER_TAKEN_OVER", 1428, "ORDER", "INFO", "An order with our tag was found that these books did not know: another machine sent it.",
       "Make sure that the other engine is stopped.", ()),
    _r("ORDER_RESOLVED_GONE", 1429, "ORDER", "INFO", "A person said that the broker holds less of a contract than our books did.",
       "Nothing to do; entries wait until the next comparison agrees.", ()),
)  # fmt: skip
_ACCOUNT: Final = (
    _r("RISK_DAY_OPENED", 1501, "RISK", "INFO", "The account's day began.", "Nothing to do.", ()),
    _r("RISK_ENTRY_FILLED", 1502, "RISK", "INFO", "An entry was filled and counts as a trade.", "Nothing to do.", ()),
    _r("RISK_EXIT_FILLED", 1503, "RISK", "INFO", "A position was closed and its result counted.", "Nothing to do.", ()),
    _r("RISK_ORDER_ENDED", 1504, "RISK", "INFO", "An order ended without a fill and freed its risk.", "Nothing to do.", ()),
    _r("RISK_CARRIED", 1505, "RISK", "INFO", "A position of the account's previous session is held on.", "Nothing to do.", ()),
    _r("RISK_STOP_RAISED", 1506, "RISK", "INFO", "A stop went to break-even and freed its risk.", "Nothing to do.", ()),
)  # fmt: skip
_LINK: Final = (
    _r("FEED_RESUMED", 1601, "FEED", "INFO", "Frames arrive again after a gap.", "Nothing to do.", ()),
    _r("FEED_STARTED", 1602, "FEED", "INFO", "The first frame of the connection arrived.", "Nothing to do.", ()),
    _r("FRAME_REFUSED", 1603, "FEED", "INFO", "A frame did not keep its own lengths and was refused whole.",
       "Its bytes are in the journal.", ("fault", "offset")),
)  # fmt: skip
_JOURNAL: Final = (
    _r("KIND_UNKNOWN", 1701, "JOURNAL", "HALT", "The journal holds a kind that no release knows.",
       "Read it with the release that wrote it.", ()),
    _r("VERSION_TOO_NEW", 1702, "JOURNAL", "HALT", "The journal holds a newer event version than this release knows.",
       "Read it with the release that wrote it.", ()),
    _r("PAYLOAD_INVALID", 1703, "JOURNAL", "HALT", "A payload is not of its declared shape.",
       "Run `axiom verify`; if the chain holds, it was written wrong.", ()),
    _r("CORE_LOOP_LIMIT", 1704, "ENGINE", "HALT", "One fact led to more work items than is allowed.",
       "This is a fault of the engine: report it with the journal.", ()),
    _r("ENGINE_FAULT", 1705, "ENGINE", "HALT", "The engine failed on an entry and stopped; the entry is in the journal.",
       "This is a fault of the engine: report it with the journal. It stops there again until the engine is mended.", ()),
)  # fmt: skip
_COMMAND: Final = (
    _r("CMD_ACCEPTED", 1801, "COMMAND", "INFO", "The command was taken.", "Nothing to do.", ()),
    _r("CMD_UNKNOWN", 1802, "COMMAND", "BLOCK", "There is no such command.",
       "The program and the engine may be of different releases: see what the program lists with --help.", ()),
    _r("CMD_TEXT", 1803, "COMMAND", "BLOCK", "A text of the command is too long, or holds what cannot be shown.",
       "Write it shorter, in one line, without control characters.", ()),
    _r("CMD_SUBJECT", 1804, "COMMAND", "BLOCK", "The command needs something that it is about, or must have none.",
       "See the verb's --help for what it takes.", ()),
    _r("CMD_VALUE", 1805, "COMMAND", "BLOCK", "The command does not know this word.",
       "See the verb's --help for what it takes.", ()),
    _r("CMD_WHY_MISSING", 1806, "COMMAND", "BLOCK", "The command needs a reason, which is kept in the journal.",
       "Say why.", ()),
    _r("CMD_NOT_IN_MODE", 1807, "COMMAND", "BLOCK", "The command has no meaning in the session's mode.",
       "Look at the mode of the engine that runs.", ()),
    _r("CMD_LATER_RELEASE", 1808, "COMMAND", "BLOCK", "This release does not carry the command out yet.",
       "Switch the strategy off in the configuration.", ()),
    _r("CMD_WHILE_HALTED", 1809, "COMMAND", "BLOCK", "Entries are halted, and the command would lead to one.",
       "Resume with a reason first, if that is what you want.", ()),
    _r("CMD_NOT_CONFIRMED", 1810, "COMMAND", "BLOCK", "The word of the session's mode was not given.",
       "Look at the mode, and type its word or give it with --confirm.", ()),
    _r("CMD_BUSY", 1811, "COMMAND", "BLOCK", "Too many commands wait for the engine, so this one was not taken.",
       "Give it again; a halt can also be asked for by the kill file.", ()),
    _r("CMD_ID_REUSED", 1812, "COMMAND", "BLOCK", "Another command was given under this id before.",
       "Give the command again: it gets an id of its own.", ()),
    _r("CMD_SUBJECT_UNKNOWN", 1813, "COMMAND", "BLOCK", "The engine does not know what the command is about.",
       "Look up the id: it may be over already, or of another session.", ()),
    _r("CMD_NOT_AMENDABLE", 1814, "COMMAND", "BLOCK", "The rule does not change within a day, or the day has no hours by the rulebook.",
       "Only hours can be amended: `axiom rulebook amend --help` names them; other rules hold from the next session on.", ()),
    _r("CMD_AMEND_PAST", 1815, "COMMAND", "BLOCK", "The hour to amend to has passed.",
       "Give one that is still to come: what the engine did until now is not undone.", ()),
    _r("CMD_AMEND_OVER", 1816, "COMMAND", "BLOCK", "The day is over by its hours, so none of them can be amended any more.",
       "Add the day's hours with their source (`axiom rulebook add`) and start the engine again.", ()),
    _r("CMD_BOOKS_DISAGREE", 1817, "COMMAND", "BLOCK", "The broker's last books do not show what the command says.",
       "Wait until two comparisons in a row show it and nothing is under way on the contract; then give it again.", ()),
)  # fmt: skip
_INCIDENT: Final = (
    _r("ORDER_UNKNOWN_LONG", 1901, "INCIDENT", "HALT", "An order is still unknown after all searching.",
       "Look at the broker's order book for its tag, then resolve the intent as lapsed or as that order.", ()),
    _r("ORDER_REJECT_BURST", 1902, "INCIDENT", "HALT", "Orders are refused one after another.",
       "Read the broker's words; entries wait a minute.", ()),
    _r("POSITION_DIFFERS", 1903, "INCIDENT", "HALT", "The broker holds less of a contract than our books.",
       "Look at both books; no more is sold than the broker shows. Where the broker is right: `axiom resolve`.", ()),
    _r("POSITION_SHORT", 1904, "INCIDENT", "HALT", "More was sold than was held: the account is short.",
       "Buy it back at the broker at once.", ()),
    _r("POSITION_EXTERNAL", 1905, "INCIDENT", "INFO", "The account holds what the engine did not buy.",
       "Nothing to do, if it is yours; the engine leaves it alone.", ()),
    _r("POSITION_BLIND", 1906, "INCIDENT", "HALT", "A position is held and the feed is silent.",
       "Watch the position at the broker; its stop rests there. Restore the feed.", ()),
    _r("POSITION_UNPROTECTED", 1907, "INCIDENT", "HALT", "A position has no stop at the broker.",
       "Place a stop by hand, or close the position.", ()),
    _r("EXIT_NO_BID", 1908, "INCIDENT", "HALT", "A position should be sold and nobody bids.",
       "It is sold at the first bid; look at the contract at the broker.", ()),
    _r("EXIT_REFUSED", 1909, "INCIDENT", "HALT", "The broker refused an exit.",
       "It is tried again; if that goes on, sell by hand at the broker.", ()),
    _r("FLATTEN_INCOMPLETE", 1910, "INCIDENT", "HALT", "Positions could not be closed in time.",
       "Sell by hand at the broker what the incident names: exchange, contract, units and product.", ()),
    _r("AUTH_LOST", 1911, "INCIDENT", "HALT", "The broker does not take the login any more.",
       "Log in again: `axiom login`.", ()),
    _r("CLOCK_OFFSET", 1912, "INCIDENT", "HALT", "The machine's clock is off.",
       "Check the machine's time service.", ()),
    _r("FRAMES_DROPPED", 1913, "INCIDENT", "HALT", "Frames were lost because the engine could not take them.",
       "Check the machine's load.", ()),
    _r("PROCESS_UNHEALTHY", 1914, "INCIDENT", "HALT", "The engine's process or its machine is not in order.",
       "See what the incident names: disk, durability, inbox.", ()),
    _r("BROKER_UNREACHABLE", 1915, "INCIDENT", "HALT", "The broker's books could not be had.",
       "Check the network and the broker's status; entries wait.", ()),
    _r("ORDER_PENDING_LONG", 1916, "INCIDENT", "HALT", "The broker has been busy with an order for long and neither lets it rest nor ends it.",
       "See the order in the broker's app; a cancel is not sent twice, and what waits for it waits on.", ()),
    _r("HISTORY_FAILED", 1918, "INCIDENT", "INFO", "Candles of minutes without a feed could not be had, or cannot be true.",
       "Nothing at once: it is asked again, and entries wait for bars of the feed's own.", ()),
    _r("CONTRACT_CHANGED", 1919, "INCIDENT", "HALT", "A contract that is held or watched is not what it was in the session before.",
       "Compare lot, tick, expiry and token at the exchange; close a position whose plan no longer fits, acknowledge what is only watched.", ()),
    _r("RESULT_UNCONFIRMED", 1920, "INCIDENT", "INFO", "A position was closed on a person's word, at a price that nobody confirmed.",
       "Find the sale in the broker's trade book or contract note: the day's result differs by what it brought.", ()),
    _r("STOP_WAIVED", 1921, "INCIDENT", "INFO", "A person has waived the resting stops of this session.",
       "Watch what is held: only the engine's own exits sell it. It ends with the session.", ("who", "why")),
    _r("CLOSED_UNRECONCILED", 1930, "INCIDENT", "HALT", "The session ended without the broker's books of its end.",
       "Compare with the broker's order book and positions by hand; the next session compares at its start.", ()),
    _r("SETTLEMENT_UNKNOWN", 1931, "INCIDENT", "HALT", "A contract that was held has expired, and the index's closing value is not known.",
       "Nothing at once: the next trading day's index prints bring it. Else compare with the broker's ledger.", ()),
    _r("POSITION_PAST_DEADLINE", 1932, "INCIDENT", "HALT", "A position is still held after the hard deadline of the day.",
       "Close it in the broker's app, or with `axiom flatten --emergency`.", ()),
)  # fmt: skip
_APPROVAL: Final = (
    _r("APPROVAL_USED", 2001, "APPROVAL", "INFO", "The approval was used for an entry.",
       "Nothing to do.", ()),
    _r("APPROVAL_REJECTED", 2002, "APPROVAL", "INFO", "A person turned the entry down.",
       "Nothing to do.", ()),
    _r("APPROVAL_EXPIRED", 2003, "APPROVAL", "INFO", "Nobody approved the entry in time.",
       "Nothing to do; the next one asks anew.", ()),
    _r("APPROVAL_LAPSED", 2004, "APPROVAL", "INFO", "When the entry was approved, a stage did not pass any more or the price had left its band.",
       "Nothing to do; the next one asks anew.", ()),
)  # fmt: skip

_LIVE: Final = (
    _r("LIVE_PYTHON", 2101, "LIVE", "BLOCK", "This Python is older than any that the engine runs on.",
       "Run it with Python 3.11 or newer: make install.", ()),
    _r("LIVE_LIBRARIES", 2102, "LIVE", "BLOCK", "Libraries differ from those that were locked and tested.",
       "Install what is locked: make install.", ()),
    _r("LIVE_ROOMS", 2103, "LIVE", "BLOCK", "Another package stands in the place of one of the program's own.",
       "Remove that package, or run from an environment of its own: make install.", ()),
    _r("LIVE_CONFIG", 2104, "LIVE", "BLOCK", "The configuration is at fault.",
       "Mend what is named; `axiom config check FILE` looks again.", ()),
    _r("LIVE_HOME", 2105, "LIVE", "BLOCK", "The home is missing, cannot be written, or is open to others.",
       "Make it private to its owner (chmod 700), or choose another with --home.", ()),
    _r("LIVE_DISK", 2106, "LIVE", "BLOCK", "The disk has too little room for two days.",
       "Free some space, or choose another disk with --home.", ()),
    _r("LIVE_CLOCK", 2107, "LIVE", "BLOCK", "The clock is off by more than a second, or nobody says by how much.",
       "Let chrony or systemd-timesyncd keep the clock, or name a time server with --ntp.", ()),
    _r("LIVE_CALENDAR", 2108, "LIVE", "BLOCK", "Today is no trading day, or its hours are not known.",
       "If it is one, add its rows with their source: `axiom rulebook add`.", ()),
    _r("LIVE_RULEBOOK", 2109, "LIVE", "BLOCK", "Rules of today have ended, are missing or at fault.",
       "Give `axiom rulebook check`: it names each with the command that adds what is missing.", ()),
    _r("LIVE_INSTRUMENTS", 2110, "LIVE", "BLOCK", "The broker's instrument list of today is missing or refused.",
       "A start of `axiom record` fetches it, from 08:00 IST on; what is at fault is named by line.", ()),
    _r("LIVE_DESK_BUSY", 2111, "LIVE", "BLOCK", "Another engine runs this desk.",
       "Stop it first, or choose another desk with --desk.", ()),
    _r("LIVE_LEDGER", 2112, "LIVE", "BLOCK", "The ledger of sessions is damaged, or a session of it is gone.",
       "Bring back what is gone with `axiom restore`; `axiom verify` says what is damaged.", ()),
    _r("LIVE_LAST_SESSION", 2113, "LIVE", "BLOCK", "The last session is damaged, or could not be verified.",
       "Look at it with `axiom verify`; restore it, or begin on another desk.", ()),
    _r("LIVE_LOGIN", 2114, "LIVE", "BLOCK", "There is no login with the broker that holds until the close.",
       "Log in anew.", ()),
    _r("LIVE_ADDRESS", 2115, "LIVE", "BLOCK", "Orders would not leave from the address that the broker knows, or it is not known.",
       "Set live.egress_address to the registered one, and look at the machine's network.", ()),
    _r("ACCOUNT_SHARED", 2116, "LIVE", "BLOCK", "Another engine on this machine sends orders for the account, or it is not known.",
       "Stop the other engine first: one engine an account.", ()),
    _r("LIVE_BUILD", 2117, "LIVE", "BLOCK", "The program is not an unchanged release.",
       "Check out a release, and change nothing in it.", ()),
    _r("LIVE_RELEASE_CHECK", 2118, "LIVE", "BLOCK", "No release-check was good for this very code.",
       "Run make release-check in this checkout.", ()),
    _r("LIVE_CONTRACTS", 2119, "LIVE", "BLOCK", "A contract that was watched or held before has another lot, tick, expiry or token.",
       "Look at what you hold of it; a start of `axiom record` takes today's list as what is known.", ()),
    _r("LIVE_TIMES", 2120, "LIVE", "BLOCK", "The desk would hold positions into hours in which the broker may close them itself.",
       "Set the times back, or add the broker's hour with its source: `axiom rulebook add squareoff.mis`.", ()),
)  # fmt: skip
_ALERT: Final = (
    _r("ALERT_ENGINE_SILENT", 2201, "ALERT", "INFO", "The engine's process is there and writes nothing in market hours.",
       "Look at `axiom status`; halt with `axiom halt --file`, and look at the positions at the broker.", ("silent_s",)),
    _r("ALERT_ENGINE_GONE", 2202, "ALERT", "INFO", "The engine's process is gone, and its session was not closed.",
       "Start it again: it goes on where it stood. Until then only stops at the broker protect.", ()),
    _r("ALERT_SESSION_NOT_STARTED", 2203, "ALERT", "INFO", "No session has begun on a trading day by the time it should have.",
       "Log in at the broker and start the engine; `axiom doctor` says what stands against it.", ()),
    _r("ALERT_ORDER_UNKNOWN", 2204, "ALERT", "INFO", "The fate of an order is not known: it may be live at the broker.",
       "It is searched for by itself. If it stays so, look in the broker's order book and give `axiom resolve`.",
       ("side", "units")),
    _r("ALERT_APPROVAL_WANTED", 2205, "ALERT", "INFO", "An entry passed every gate and waits for a person.",
       "Look at it, then give `axiom approve` or `axiom reject` with its id.",
       ("contract", "side", "units", "price_from", "price_to", "stop", "target", "risk", "strategy",
        "expires", "type")),
    _r("ALERT_JOURNAL_UNREADABLE", 2206, "ALERT", "INFO", "The session's journal cannot be read, so nothing is watched.",
       "Look at it with `axiom verify`.", ("why",)),
    _r("ALERT_CHANNEL_FAILED", 2207, "ALERT", "INFO", "A way on which alerts are sent takes none.",
       "Look at its address, its token and the network; the other ways still work.", ("error",)),
)  # fmt: skip
_FEATURE: Final = (
    _r("FEATURE_NOT_OFFERED", 2301, "FEATURE", "UNKNOWN", "The market has nothing that this is made of.",
       "Nothing to do: a market without a future, India VIX or five levels has no such number.", ()),
    _r("FEATURE_TOO_FEW", 2302, "FEATURE", "UNKNOWN", "Too few bars, samples or days have been seen so far, or nothing has moved.",
       _WAIT, ()),
    _r("FEATURE_GAP", 2303, "FEATURE", "UNKNOWN", "A gap of the feed lies in the time that this is made of.",
       "It passes once the gap lies outside, or its candles have come.", ()),
    _r("FEATURE_NOT_SEEN", 2304, "FEATURE", "UNKNOWN", "The day's first minutes were not seen, and their candles have not come.",
       "Start before the open; in real time the candles are asked for by themselves.", ()),
    _r("FEATURE_NO_QUOTE", 2305, "FEATURE", "UNKNOWN", "The contracts that this is made of have no fresh quote, no volume or no open interest.",
       _WAIT, ()),
    _r("FEATURE_NO_EARLIER_DAY", 2306, "FEATURE", "UNKNOWN", "Too little is known of earlier trading days.",
       "Nothing to do: each session carries its close into the next.", ()),
    _r("FEATURE_PENDING", 2307, "FEATURE", "UNKNOWN", "The time that this is made of is not over yet.",
       _WAIT, ()),
)  # fmt: skip

REASONS: Final[tuple[ReasonSpec, ...]] = (
    *_SESSION, *_FEED, *_WARMUP, *_QUOTE, *_REGIME, *_RISK, *_GOVERNANCE, *_SELECT, *_ELIGIBLE,
    *_CONTRACT, *_FINAL, *_UPSTREAM, *_EXIT, *_ORDER, *_ACCOUNT, *_LINK, *_JOURNAL, *_COMMAND, *_LIVE,
    *_INCIDENT, *_APPROVAL, *_ALERT, *_FEATURE,
)  # fmt: skip

BY_CODE: Final[dict[str, ReasonSpec]] = {spec.code: spec for spec in REASONS}


def spec(code: str) -> ReasonSpec:
    """The row of a code. Raises ``KeyError`` for a code that is not in the table."""
    return BY_CODE[code]
