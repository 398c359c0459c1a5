"""The technician's page, in every state: through Flask, behind the real server, and in a real browser."""
