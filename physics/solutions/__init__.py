"""Closed-form and reference solutions of equations, as functions of points: what a mesh-free solver is measured by."""
