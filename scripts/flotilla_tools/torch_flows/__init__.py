"""Normalizing flows in PyTorch."""

from flotilla_tools.starting import need

need("torch", "python3-torch")
