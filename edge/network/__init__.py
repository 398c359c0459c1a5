"""What everything that speaks DICOM over a network shares: secure connections, and associations that never leak."""
