"""The outbox: every object to every destination; `queued -> sent -> confirmed`, or held with a reason."""
