"""Three roles, five rights, one table. What is not in the table is not allowed."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Role(StrEnum):
    """What somebody is at this site."""

    TECHNICIAN = "technician"
    CLINICIAN = "clinician"
    ADMIN = "admin"


class Right(StrEnum):
    """What somebody may do."""

    SEE = "see"
    """Images, results, patients."""
    WORK = "work"
    """Analyse again, send again, pick the patient."""
    EXPORT = "export"
    """Take results out of the appliance as files."""
    MANAGE = "manage"
    """People, settings, backups, the audit trail."""


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.TECHNICIAN: frozenset({Right.SEE, Right.WORK, Right.EXPORT}),
    Role.CLINICIAN: frozenset({Right.SEE, Right.EXPORT}),
    Role.ADMIN: frozenset(Right),
}


def may(role: Role, right: Right) -> bool:
    """Whether a role has a right."""
    return right in RIGHTS[role]
