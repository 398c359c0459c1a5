"""Tests of the serial link, the bridge and the simulated unit."""
