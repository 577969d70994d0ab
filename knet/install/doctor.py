"""`knet doctor`: what is wrong with an installation, and the mend of each. Looks only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum

from knet.install import apply
from knet.install.inventory import Inventory
from knet.kube.client import Client
from knet.kube.errors import ApiError, NotFound


class Level(StrEnum):
    """How bad it is. GOOD is worth a line too: that it was looked at."""

    GOOD = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` says what to do, where something is wrong."""

    about: str
    level: Level
    message: str
    mend: str = ""

    def data(self) -> dict[str, str]:
        return {"about": self.about, "level": str(self.level), "message": self.message, "mend": self.mend}


@dataclass(frozen=True, slots=True)
class Patient:
    """The cluster. `inventory` None: knet is not installed there, or by other means than `knet install`."""

    client: Client
    inventory: Inventory | None

    @property
    def gateway(self) -> str:
        """Which gateway it is installed with; kourier where nobody says."""
        return self.inventory.gateway if self.inventory and self.inventory.gateway else "kourier"

    @property
    def gateways(self) -> tuple[str, ...]:
        """All that are served: a second one is there during a migration."""
        beside = self.inventory.beside if self.inventory else ""
        return (self.gateway, beside) if beside else (self.gateway,)


Look = Callable[[Patient], AsyncIterator[Finding]]


def good(about: str, message: str) -> Finding:
    return Finding(about, Level.GOOD, message)


def warning(about: str, message: str, mend: str) -> Finding:
    return Finding(about, Level.WARNING, message, mend)


def bad(about: str, message: str, mend: str) -> Finding:
    return Finding(about, Level.ERROR, message, mend)


async def examine(client: Client) -> list[Finding]:
    """Everything that is looked at, in order. What may not be looked at is a finding too."""
    from knet.install import doctor_access, doctor_parts, doctor_traffic

    looks: tuple[tuple[str, Look], ...] = (
        ("version", doctor_parts.versions),
        ("kinds", doctor_parts.definitions),
        ("objects", doctor_parts.objects),
        ("gateway", doctor_parts.gateway),
        ("deployments", doctor_parts.deployments),
        ("permissions", doctor_access.permissions),
        ("webhook", doctor_access.webhook),
        ("settings", doctor_traffic.settings),
        ("classes", doctor_traffic.classes),
        ("routes", doctor_traffic.refusals),
        ("migration", doctor_traffic.migrating),
        ("orphans", doctor_traffic.orphans),
    )
    found: list[Finding] = []
    try:
        patient = Patient(client, await apply.recorded(client))
    except ValueError as error:
        found.append(
            bad("inventory", str(error), "delete that ConfigMap and run knet install: nothing is pruned then")
        )
        patient = Patient(client, None)
    for name, look in looks:
        try:
            found += [finding async for finding in look(patient)]
        except NotFound as error:
            found.append(warning(name, f"is not there to be looked at: {error.message}", "knet install"))
        except ApiError as error:
            mend = "use the context of an administrator"
            found.append(warning(name, f"cannot be looked at: {error.message}", mend))
    return found
