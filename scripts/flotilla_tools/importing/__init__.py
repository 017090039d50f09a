"""Flows of other libraries as flow files."""
