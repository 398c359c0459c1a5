"""`python -m edge` is `calcedge`."""

from edge.cli import main

main()
