"""The tests mirror the three packages; `peers` holds the foreign parts that they talk to."""
