"""Hostile input, by the hundred thousand: see `python -m tests.fuzz --help`.

A target is a function of bytes. It returns "accepted" or the code with which the input was refused; whatever else
happens (an exception, a signal, silence past the deadline, a code that is in no list) is a bug.
"""
