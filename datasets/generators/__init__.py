"""Samples made by reference physics, seeded and repeatable."""

from surrogates.datasets.generators.advection import advection
from surrogates.datasets.generators.burgers import burgers
from surrogates.datasets.generators.channel import channel
from surrogates.datasets.generators.conformers import conformers
from surrogates.datasets.generators.cylinder_flow import cylinder_flow
from surrogates.datasets.generators.darcy import darcy
from surrogates.datasets.generators.diffusion_reaction import diffusion_reaction
from surrogates.datasets.generators.draws import GaussianField, Range
from surrogates.datasets.generators.euler import euler
from surrogates.datasets.generators.generate import GFN2, Parts, generate, plan_jobs
from surrogates.datasets.generators.generate_fields import generate_fields
from surrogates.datasets.generators.heat import heat
from surrogates.datasets.generators.jobs import Generated, Job, run_job
from surrogates.datasets.generators.kdv import kdv
from surrogates.datasets.generators.kuramoto_sivashinsky import kuramoto_sivashinsky
from surrogates.datasets.generators.molecules import molecules
from surrogates.datasets.generators.moving_heat import moving_heat
from surrogates.datasets.generators.navier_stokes import navier_stokes
from surrogates.datasets.generators.ode_operators import antiderivative, gravity_pendulum, nonlinear_ode, triples
from surrogates.datasets.generators.panels import panel_sample, panels
from surrogates.datasets.generators.plate import plate
from surrogates.datasets.generators.rattled import rattled
from surrogates.datasets.generators.references import make_reference, parse_reference, reference_schema
from surrogates.datasets.generators.sampling import Rattle
from surrogates.datasets.generators.source_diffusion_reaction import source_diffusion_reaction
from surrogates.datasets.generators.structures import structures_from_spec
from surrogates.datasets.generators.walkers import Walker

__all__ = [
    "GFN2",
    "GaussianField",
    "Generated",
    "Job",
    "Parts",
    "Range",
    "Rattle",
    "Walker",
    "advection",
    "antiderivative",
    "burgers",
    "channel",
    "conformers",
    "cylinder_flow",
    "darcy",
    "diffusion_reaction",
    "euler",
    "generate",
    "generate_fields",
    "gravity_pendulum",
    "heat",
    "kdv",
    "kuramoto_sivashinsky",
    "make_reference",
    "molecules",
    "moving_heat",
    "navier_stokes",
    "nonlinear_ode",
    "panel_sample",
    "panels",
    "parse_reference",
    "plan_jobs",
    "plate",
    "rattled",
    "reference_schema",
    "run_job",
    "source_diffusion_reaction",
    "structures_from_spec",
    "triples",
]
