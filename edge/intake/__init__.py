"""Intake: what comes from the X-ray unit is admitted, or refused with a code. Received bytes are never altered."""
