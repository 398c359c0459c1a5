"""Remote updates: what a box may run is signed offline, what it runs now by the fleet's admin; both must agree.

What always holds:

- A box runs a release only if `releases` (two keys, offline) signed it and `rollouts` (the admin's key) names it.
- Whatever has its final name on the disk is whole: bytes are synced before a name, a name before who points to it.
- One file, `state.json`, says what runs. It is replaced atomically; all else can be made again.
- A new release runs on trial until it has proven itself; what fails goes back to the last good one, is listed as bad
  with the reason, and is never tried again. The good one has no counter: it is tried for ever.
- No message leaves with patient data: messages are made of closed lists of codes, names of releases, and numbers.

The boot loader (`launch`, `keeper`, `slots`, `statefile`, `durable`) needs the standard library only and comes with
the box's image: no release replaces it.
"""
