"""Hardware in the loop: one suite for a simulated unit and for a real one. docs/hardware-in-the-loop.md tells how."""
