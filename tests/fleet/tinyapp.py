"""A tiny application for trials, as source: it shows life, passes the tests of a release, fails on purpose if asked.

`FAULT` is filled in by the test. It follows a simulated clock: a file in the run folder that holds the seconds.
"""

SOURCE = """
import json, os, signal, sys, time
from pathlib import Path

FAULT = {fault!r}
RUN = Path(sys.argv[-1])
STARTED = None

def now():
    try:
        return float((RUN / "clock").read_text())
    except (OSError, ValueError):
        return 0.0

def pulse(mark):
    body = {{"pid": os.getpid(), "boot": "b", "ns": mark, "facts": {{"fault": FAULT}}}}
    temporary = RUN / f".main.{{os.getpid()}}"
    temporary.write_text(json.dumps(body))
    temporary.replace(RUN / "main.json")

def eat():
    hoard = []
    while True:
        hoard.append(bytearray(10_000_000))

def run():
    signal.signal(signal.SIGTERM, signal.SIG_IGN if FAULT == "unstoppable" else lambda *_: sys.exit(0))
    if FAULT == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if FAULT == "hang at start":
        signal.pause()
    if FAULT == "out of memory":
        eat()
    started, mark = now(), 0
    while True:
        if not (FAULT == "hang after five minutes" and now() - started >= 300):
            mark += 1
            pulse(mark)
        time.sleep(0.005)

def update(what):
    if what == "probe":
        if FAULT == "golden mismatch":
            sys.exit("the golden image differs")
        if FAULT == "illegal instruction":
            os.kill(os.getpid(), signal.SIGILL)
        if FAULT == "out of memory in its test":
            eat()
        if FAULT == "golden mismatch on trial" and (RUN / "main.json").exists():
            if json.loads((RUN / "main.json").read_text())["facts"]["fault"] == FAULT:
                sys.exit("the golden image differs")
    if what == "proof" and FAULT == "breaks the updater":
        raise SystemExit("no updater here")
    if what == "idle" and (RUN / "busy").exists():
        sys.exit(3)

run() if sys.argv[1] in ("run", "service") else update(sys.argv[2])
"""
