"""Workflows: sequences of verbs."""
