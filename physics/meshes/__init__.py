"""Meshes and finite elements."""
