"""The settings that may change while the appliance runs: each with its default and its bounds, strictly checked.

What is read from the store and no longer fits (an older or newer release wrote it) falls back to its default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.store import events, settings

if TYPE_CHECKING:
    from edge.store import Store

DEFAULT_LANGUAGE: Final = "en"


class Site(BaseModel):
    """What the site's admin may set on the page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = DEFAULT_LANGUAGE
    screen_lock_minutes: Annotated[int, Field(ge=1, le=120)] = 10
    chime: bool = True
    """Whether the kiosk sounds when an image has its outcome."""
    webhook: Annotated[str, Field(max_length=500, pattern=r"^(https?://\S+)?$")] = ""
    """Where a notice is posted when an image is not analysed, shows findings, or a delivery is held."""
    mail_server: Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9.:\[\]-]*$")] = ""
    """HOST or HOST:PORT of the clinic's own mail relay."""
    mail_from: Annotated[str, Field(max_length=200, pattern=r"^[^\s<>]*$")] = ""
    mail_to: Annotated[str, Field(max_length=200, pattern=r"^[^\s<>]*$")] = ""

    @property
    def mails(self) -> bool:
        """Whether notices go by mail."""
        return bool(self.mail_server and self.mail_to)

    @property
    def notifies(self) -> bool:
        """Whether notices go anywhere."""
        return bool(self.webhook) or self.mails


def read(store: Store) -> Site:
    """The settings as they are."""
    with store.read() as connection:
        kept = {name: value for name, value in settings.everything(connection).items() if name in Site.model_fields}
    try:
        return Site.model_validate(kept)
    except ValidationError as error:
        bad = {str(one["loc"][0]) for one in error.errors()}
        return Site.model_validate({name: value for name, value in kept.items() if name not in bad})


def change(store: Store, values: dict[str, Any], actor: str) -> Site:
    """Changes settings, all or none, and tells the audit trail which.

    Raises:
        pydantic.ValidationError: naming what can't be.
    """
    before = read(store)
    after = Site.model_validate(before.model_dump() | values)
    stamp = store.clock.now()
    with store.transaction() as tx:
        for name, value in after.model_dump().items():
            if value != getattr(before, name):
                settings.put(tx, name, value, stamp)
                events.append(tx, stamp, actor, "setting-changed", f"setting:{name}")
    return after
