"""Is all well? Checks that a person or a script can ask for, each with what to do when it is not."""
