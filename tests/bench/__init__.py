"""The figures: each measured by a function here, beside a peer in the same run where there is one.

`python -m tests.bench [NAME...]` runs them all, or those named, and writes `var/bench/figures.json` and `.md`.
"""
