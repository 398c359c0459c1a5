"""Hand radiographs with exact truth, from a seed: anatomy -> thickness maps -> X-rays -> processing.

What always holds:

- The same seed gives the same film, byte for byte, on the same versions of NumPy and SciPy.
- Nothing is learned from or copied from a real radiograph: shapes and rates come from the literature named in each
  module, and from physics. Real films were only looked at, to see what was missing.
- Maps are float32 [rows, columns]; lengths are millimetres; thickness maps hold mm of material along the beam.
"""
