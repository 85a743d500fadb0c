"""Samples made by reference physics, seeded and repeatable."""

from surrogates.datasets.generators.conformers import conformers
from surrogates.datasets.generators.generate import GFN2, Parts, generate, plan_jobs
from surrogates.datasets.generators.jobs import Generated, Job, run_job
from surrogates.datasets.generators.molecules import molecules
from surrogates.datasets.generators.ode_operators import antiderivative, gravity_pendulum, nonlinear_ode, triples
from surrogates.datasets.generators.rattled import rattled
from surrogates.datasets.generators.references import make_reference, parse_reference, reference_schema
from surrogates.datasets.generators.sampling import Rattle
from surrogates.datasets.generators.source_diffusion_reaction import source_diffusion_reaction
from surrogates.datasets.generators.structures import structures_from_spec
from surrogates.datasets.generators.walkers import Walker

__all__ = [
    "GFN2",
    "Generated",
    "Job",
    "Parts",
    "Rattle",
    "Walker",
    "antiderivative",
    "conformers",
    "generate",
    "gravity_pendulum",
    "make_reference",
    "molecules",
    "nonlinear_ode",
    "parse_reference",
    "plan_jobs",
    "rattled",
    "reference_schema",
    "run_job",
    "source_diffusion_reaction",
    "structures_from_spec",
    "triples",
]
