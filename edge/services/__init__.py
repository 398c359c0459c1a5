"""The appliance's processes. Here, and only here, the stations are put together.

Each process may be killed at any time: the others go on, and it comes back with nothing lost.
"""
