"""The detector's models: the phantom they learn from, their training, evaluation, export and releases."""
