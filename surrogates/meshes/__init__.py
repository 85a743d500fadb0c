"""Mesh networks and their like: nodes of meshes -> nodes of meshes, one paper a file."""
