"""Settings of this machine, which no session depends on and no journal holds.

Lives here: the section ``[live]`` of a configuration file. May import: the names of indices. Always
holds: the core's configuration never sees this section, nor this section a setting of the core.
Start reading at ``MachineSettings``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, get_type_hints

import msgspec
from msgspec import Meta

from adapters.kite.instruments import INDEX_OF

SECTION: Final = "live"
AT_END: Final = ("LEAVE", "FLATTEN")
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9-]{0,64}")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{0,255}")


class MachineError(ValueError):
    """A setting that is unknown or of no use; one line, names the key."""


class MachineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What LIVE and PAPER need to know of this machine; an empty word is: not said."""

    account: Annotated[str, Meta(description="the broker's user id; the login says it too")] = ""
    egress_address: Annotated[
        str, Meta(description="the address that the broker lets orders come from")
    ] = ""
    egress_url: Annotated[
        str, Meta(description="who says which address we come from; empty asks nobody")
    ] = ""
    ntp_host: Annotated[
        str, Meta(description="a time server, HOST or HOST:PORT; empty asks this machine's own")
    ] = ""
    underlyings: Annotated[
        str, Meta(description="whose index, near future and options are watched, in this order")
    ] = "NIFTY,BANKNIFTY,SENSEX"
    expiries: Annotated[
        int, Meta(ge=1, le=8, description="next expiries that are watched of each")
    ] = 2
    strikes_each_side: Annotated[
        int, Meta(ge=1, le=60, description="strikes on each side of the money that are watched")
    ] = 20
    orders_per_minute: Annotated[
        int, Meta(ge=10, le=400, description="order messages a minute; the rulebook's row if less")
    ] = 380
    orders_per_day: Annotated[
        int, Meta(ge=100, le=5_000, description="order messages a day; the rulebook's row if less")
    ] = 4_800
    at_end: Annotated[
        str,
        Meta(
            description="where nobody is asked, what is open in the end: LEAVE, or FLATTEN to sell"
        ),
    ] = "LEAVE"

    @property
    def names(self) -> tuple[str, ...]:
        """The watched underlyings, in order."""
        return tuple(name.strip() for name in self.underlyings.split(","))


def machine_settings(tree: Mapping[str, Any]) -> MachineSettings:
    """The section of a configuration's tree. Raises ``MachineError``."""
    section = tree.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise MachineError(f"[{SECTION}] must be a section of settings, not a value")
    known = MachineSettings.__struct_fields__
    for name, value in section.items():
        if name not in known:
            raise MachineError(
                f"unknown setting {SECTION}.{name}; [{SECTION}] has: {', '.join(known)}"
            )
        if type(value) is not type(getattr(DEFAULTS, name)):
            kind = (
                "a word in quotes" if isinstance(getattr(DEFAULTS, name), str) else "a whole number"
            )
            raise MachineError(f"{SECTION}.{name} is {kind}, not {value!r}")
    try:
        return _checked(msgspec.convert(dict(section), MachineSettings))
    except msgspec.ValidationError as error:
        raise MachineError(f"{SECTION}: out of bounds: {error}") from error


DEFAULTS: Final = MachineSettings()


def _checked(settings: MachineSettings) -> MachineSettings:
    known = tuple(name for name, *_ in INDEX_OF)
    for name in settings.names:
        if name not in known or settings.names.count(name) > 1:
            raise MachineError(
                f"{SECTION}.underlyings names {name!r}; it lists some of {', '.join(known)}, each"
                " once, with commas"
            )
    if settings.at_end not in AT_END:
        raise MachineError(f"{SECTION}.at_end is {' or '.join(AT_END)}, not {settings.at_end!r}")
    if settings.egress_address:
        try:
            ipaddress.ip_address(settings.egress_address)
        except ValueError as error:
            raise MachineError(f"{SECTION}.egress_address: {error}") from error
    if settings.egress_url and not settings.egress_url.startswith(("https://", "http://127.")):
        raise MachineError(f"{SECTION}.egress_url must begin with https://")
    if any(sign in settings.egress_url for sign in "?#@"):
        # It is shown, and this file need not be private: no place for what opens a service.
        raise MachineError(f"{SECTION}.egress_url is HOST and PATH alone: no user, no query")
    if not _ACCOUNT.fullmatch(settings.account):
        raise MachineError(f"{SECTION}.account is letters, digits and '-', at most 64")
    if not _HOST.fullmatch(settings.ntp_host):
        raise MachineError(f"{SECTION}.ntp_host is HOST or HOST:PORT, not {settings.ntp_host!r}")
    return settings


def setting_rows(settings: MachineSettings) -> list[dict[str, Any]]:
    """The settings as rows: key, value, default and description."""
    hints = get_type_hints(MachineSettings, include_extras=True)
    return [
        {
            "key": f"{SECTION}.{name}",
            "value": getattr(settings, name),
            "default": getattr(DEFAULTS, name),
            "least": hint.__metadata__[0].ge,
            "most": hint.__metadata__[0].le,
            "description": hint.__metadata__[0].description,
        }
        for name, hint in hints.items()
    ]
