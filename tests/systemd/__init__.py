"""The units and the package: what they name, and a machine that boots with them."""
