"""One door for every kind of spread: energies and forces, fields, solutions of equations at points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from surrogates.tasks.collocation import Collocation
from surrogates.tasks.mesh_map import MeshMap
from surrogates.tasks.operator_map import OperatorMap
from surrogates.tasks.plate_stress import PlateStress
from surrogates.uncertainty import conformal, field_spread, mesh_spread, panel_spread, point_spread, spread
from surrogates.uncertainty.ensemble import Ensemble
from surrogates.uncertainty.field_ensemble import FieldEnsemble
from surrogates.uncertainty.field_spread import FieldSpread
from surrogates.uncertainty.mesh_ensemble import MeshEnsemble
from surrogates.uncertainty.mesh_spread import MeshSpread
from surrogates.uncertainty.panel_ensemble import PanelEnsemble
from surrogates.uncertainty.panel_spread import PanelSpread
from surrogates.uncertainty.point_ensemble import PointEnsemble
from surrogates.uncertainty.point_spread import PointSpread
from surrogates.uncertainty.spread import Spread

AnySpread = Spread | FieldSpread | PointSpread | MeshSpread | PanelSpread


def calibrate(members: Any, train: Any, calibration: Any, **settings: Any) -> AnySpread:
    """Learn how far trained tasks (one, several, an ensemble) may be trusted, from data they have not seen.

    See `conformal.calibrate` for energies and forces, `field_spread.calibrate` for fields, `mesh_spread.calibrate` for
    meshes, `point_spread.calibrate` for equations.
    """
    first = members[0] if isinstance(members, list | tuple) else getattr(members, "members", [members])[0]
    if isinstance(first, Collocation):
        return point_spread.calibrate(members, train, calibration, **settings)
    if isinstance(first, PlateStress):
        return panel_spread.calibrate(members, train, calibration, **settings)
    if isinstance(first, MeshMap):
        return mesh_spread.calibrate(members, train, calibration, **settings)
    kind = field_spread if isinstance(first, OperatorMap) else conformal
    return kind.calibrate(members, train, calibration, **settings)


def independent(members: Sequence[Any], data: Any) -> int:
    """Samples that know nothing of each other: of trajectories and meshes, their groups."""
    if isinstance(members[0], MeshMap | PlateStress) and len(data):
        return int(mesh_spread.groups_of(data).max()) + 1
    if not isinstance(members[0], OperatorMap) or not len(data):
        return len(data)
    return int(field_spread.groups_of(data).max()) + 1


def restore(members: Sequence[Any], tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> AnySpread:
    """The spread that its `state` described, around the same members."""
    kinds = {"field conformal": field_spread, "point conformal": point_spread, "mesh conformal": mesh_spread}
    kinds |= {"panel conformal": panel_spread}
    kind: Any = kinds.get(plain["kind"], spread)
    return kind.restore(members, tensors, plain)


def ensemble_of(
    members: Sequence[nn.Module],
) -> Ensemble | FieldEnsemble | PointEnsemble | MeshEnsemble | PanelEnsemble:
    """Trained tasks of one kind as one."""
    if isinstance(members[0], PlateStress):
        return PanelEnsemble(members)
    if isinstance(members[0], MeshMap):
        return MeshEnsemble(members)
    if isinstance(members[0], Collocation):
        return PointEnsemble(members)  # type: ignore[arg-type]
    return (FieldEnsemble if isinstance(members[0], OperatorMap) else Ensemble)(members)
