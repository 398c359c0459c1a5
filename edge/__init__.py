"""calcedge: the appliance beside a portable X-ray unit.

Data flows one way: `intake` -> `detector` -> `report` -> `outbox`, every stop durable in `store`. The four
stations don't know each other; `flow` holds the table of states, `services` composes and runs the processes.
"""

__version__ = "0.4.0"
