"""Operator networks: fields (batch, channels, *space) -> fields, one paper a file."""
