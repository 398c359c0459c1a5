"""Orders: what the clinic asks for (modality worklist), which image answers which order, and what is told back (MPPS).

Everything is kept: orders can be picked without a network, and what could not be told is told later.
"""
