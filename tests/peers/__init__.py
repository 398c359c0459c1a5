"""Foreign programs that the tests talk to: DCMTK's senders, Orthanc, and a scripted archive of our own."""
