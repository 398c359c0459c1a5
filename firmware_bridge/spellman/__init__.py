"""Spellman generators, understood from outside: the frames, one table for each model, and what may be asked.

Pure code: no port, no clock, no thread. What always holds: no function of this package builds a frame.
All that it can send is the literal list of read requests in `guard`.
"""
