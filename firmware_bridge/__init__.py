"""The wire to the X-ray unit: frames, messages, session, port, the bridge, and the simulated unit."""
