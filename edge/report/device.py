"""Who made the report: the appliance, as it names itself in every object it writes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceId:
    """The appliance's make, model, serial number and software version (General Equipment module, PS3.3 C.7.5.1)."""

    manufacturer: str
    model: str
    serial: str
    software_version: str

    @property
    def uid(self) -> str:
        """The same UID for the same appliance, whatever its software version (UUID-derived, PS3.5 B.2)."""
        name = f"{self.manufacturer}/{self.model}/{self.serial}"
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"
