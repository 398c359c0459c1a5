"""From one analysis to the objects that leave: report, marked picture, segmentation, outlines, key image, FHIR.

What always holds:

- Nothing leaves unread: every object is parsed from its own bytes and compared with its source (`verify`).
- A film that was not analysed gets a report that says so; it never gets one that reads like a clean film.
- The words name findings, never a disease.
- Pure: bytes in, bytes out. No store, no network, no clock.
"""
