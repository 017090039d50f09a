"""Training flows by maximum likelihood."""
