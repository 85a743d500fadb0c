"""Meshes and finite elements: plates, flow, heat and solids by scikit-fem, shells by an element of our own."""

from surrogates.physics.meshes.gmsh_meshes import GmshMesh, gmsh_mesh
from surrogates.physics.meshes.heat import Heat, MovingSource, steady_heat, transient_heat
from surrogates.physics.meshes.incompressible_flow import Flow, FlowHistory, steady_flow, stokes, unsteady_flow
from surrogates.physics.meshes.outline import Ellipse, Plate
from surrogates.physics.meshes.plane_stress import PlaneStress, plane_stress
from surrogates.physics.meshes.quadratic import quadratic
from surrogates.physics.meshes.shells import ShellMesh, ShellSolution, clamped, solve_shell
from surrogates.physics.meshes.solid import Solid, solid
from surrogates.physics.meshes.stiffened_panel import (
    Panel,
    PanelMesh,
    PanelSolution,
    Patch,
    Resolution,
    Stiffener,
    panel_mesh,
    solve_panel,
)
from surrogates.physics.meshes.triangulate import Triangulation, triangulate

__all__ = [
    "Ellipse",
    "Flow",
    "FlowHistory",
    "GmshMesh",
    "Heat",
    "MovingSource",
    "Panel",
    "PanelMesh",
    "PanelSolution",
    "Patch",
    "PlaneStress",
    "Plate",
    "Resolution",
    "ShellMesh",
    "ShellSolution",
    "Solid",
    "Stiffener",
    "Triangulation",
    "clamped",
    "gmsh_mesh",
    "panel_mesh",
    "plane_stress",
    "quadratic",
    "solid",
    "solve_panel",
    "solve_shell",
    "steady_flow",
    "steady_heat",
    "stokes",
    "transient_heat",
    "triangulate",
    "unsteady_flow",
]
