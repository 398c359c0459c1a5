"""The detector: from a decoded film to an analysis. Pure: it knows no store, no network and no clock of the wall."""
