"""Tests of remote updates."""
