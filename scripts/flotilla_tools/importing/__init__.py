"""Flows of other libraries as flow files."""

from flotilla_tools.starting import need

need("torch", "python3-torch")
