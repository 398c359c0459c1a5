"""Tests of the report objects."""
