"""From nothing to two networks: samples from the phantom, nets, losses, a resumable loop, export. Needs torch."""
