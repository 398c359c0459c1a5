"""The admin's side: keys, the repository as a folder of static files, rollouts, the ledger of the boxes, a small CA.

Nothing here is in the boxes' path of trust except what it signs: the repository can lie on any web server.
"""
