"""Layers that commute with quarter turns and mirror images of the grid, see `PlanarGroup`."""

from surrogates.blocks.group_conv.group import P4, P4M, PlanarGroup, planar_group
from surrogates.blocks.group_conv.pointwise import GroupLinear, Lifting, PoseSum
from surrogates.blocks.group_conv.pose_norm import pose_norm
from surrogates.blocks.group_conv.representation import representation, turned
from surrogates.blocks.group_conv.spectral_weight import GroupTied

__all__ = [
    "P4",
    "P4M",
    "GroupLinear",
    "GroupTied",
    "Lifting",
    "PlanarGroup",
    "PoseSum",
    "planar_group",
    "pose_norm",
    "representation",
    "turned",
]
