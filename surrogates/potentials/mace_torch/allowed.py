"""What the pickle of a mace-torch model may name, and why other names are refused."""

from __future__ import annotations

from surrogates.physics.errors import FileError, SurrogatesError, TrustError
from surrogates.potentials.mace_torch.archive import STORAGES

_BLOCK = "mace.modules.blocks"
INTERACTIONS = tuple(
    f"RealAgnostic{kind}InteractionBlock"
    for kind in ("", "Residual", "Density", "DensityResidual", "AttResidual", "ResidualNonLinear")
)
_CLASSES = {
    "mace.modules.models": ("MACE", "ScaleShiftMACE"),
    _BLOCK: (
        "AtomicEnergiesBlock", "EquivariantProductBasisBlock", "LinearNodeEmbeddingBlock", "RadialEmbeddingBlock",
        "ScaleShiftBlock", "LinearReadoutBlock", "NonLinearReadoutBlock", "NonLinearBiasReadoutBlock", *INTERACTIONS,
    ),
    "mace.modules.radial": (
        "BesselBasis", "GaussianBasis", "ChebychevBasis", "PolynomialCutoff", "AgnesiTransform", "SoftTransform",
        "ZBLBasis", "RadialMLP",
    ),
    "mace.modules.symmetric_contraction": ("SymmetricContraction", "Contraction", "EmptyParam"),
    "mace.modules.irreps_tools": ("reshape_irreps",),
    "mace.modules.embeddings": ("GenericJointEmbedding",),
    "mace.modules.gate": ("GatedEquivariantBlock",),
    "e3nn.o3._irreps": ("Irrep", "Irreps", "_MulIr"),
    "e3nn.o3._linear": ("Linear", "Instruction"),
    "e3nn.o3._spherical_harmonics": ("SphericalHarmonics",),
    "e3nn.o3._tensor_product._tensor_product": ("TensorProduct",),
    "e3nn.o3._tensor_product._sub": ("FullyConnectedTensorProduct", "ElementwiseTensorProduct"),
    "e3nn.o3._tensor_product._instruction": ("Instruction",),
    "e3nn.nn._fc": ("FullyConnectedNet", "_Layer"),
    "e3nn.nn._activation": ("Activation",),
    "e3nn.nn._gate": ("Gate", "_Sortcut"),
    "e3nn.nn._extract": ("Extract",),
    "e3nn.math._normalize_activation": ("normalize2mom",),
    "torch.nn.modules.container": ("ModuleList", "ModuleDict", "ParameterList", "Sequential"),
    "torch.nn.modules.linear": ("Linear",),
    "torch.nn.modules.normalization": ("LayerNorm",),
    "torch.nn.modules.sparse": ("Embedding",),
    "torch.nn.modules.activation": ("SiLU",),
    "torch.nn.parameter": ("Parameter",),
}  # fmt: skip
CLASSES = frozenset(f"{module}.{name}" for module, names in _CLASSES.items() for name in names)

# names that stand for themselves: activations, element types, the empty class that tanh and abs are looked up in
TOKENS = frozenset(
    {
        "torch.nn.functional.silu", "torch.nn.functional.sigmoid", "torch.tanh", "torch.abs", "torch.sigmoid",
        "torch._C._nn.silu", "torch._C._VariableFunctions", "torch._C._VariableFunctionsClass",
        "torch.fx._symbolic_trace.Tracer", *(f"torch.{kind}" for kind in STORAGES),
    }
)  # fmt: skip

# functions whose calls mean something; none of them is ever imported or called: see machine.py
FUNCTIONS = frozenset(
    {
        "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "collections.OrderedDict",
        "__builtin__.set", "builtins.set", "__builtin__.getattr", "builtins.getattr", "_codecs.encode",
        "torch.fx.graph_module.reduce_graph_module",
    }
)  # fmt: skip

_WHY = (
    ("mace.modules.extensions", "MACELES and PolarMACE have long-range terms that are not read; use mace-torch for it"),
    ("^les.", "MACELES has a long-range term that is not read; use mace-torch for it"),
    ("graph_longrange", "PolarMACE has a long-range term that is not read; use mace-torch for it"),
    ("cuequivariance", "save the model after mace's conversion back from cuEquivariance (mace_e3nn_cueq)"),
    ("mace.modules.wrapper_ops", "save the model after mace's conversion back to plain e3nn"),
    ("openequivariance", "save the model after mace's conversion back from OpenEquivariance"),
    ("Dipole", "dipole and polarizability models give no energies of the kind that potentials need; they are not read"),
    ("Dielectric", "dipole and polarizability models are not read"),
    ("LoRA", "merge the LoRA weights into the model and save it again"),
    ("BOTNet", "models of mace-torch before 0.3.12 with this class are not read; convert it with the old version"),
    ("InteractionBlock", "interactions that mace-torch 0.3.12 removed are not read; convert it with the old version"),
    ("torch.jit", "TorchScript is a program; give the .model file that it was made from"),
    ("mace.", "it is newer or older than mace-torch 0.3.16, or not part of an energy model"),
)


def refusal(name: str) -> SurrogatesError:
    """Why a file that names `name` is not read: FileError for known models of another kind, else TrustError."""
    shown = name[:120]
    for part, reason in _WHY:
        if name.startswith(part[1:]) if part[0] == "^" else part in name:
            return FileError(f"{shown} is not supported in mace-torch files: {reason}")
    return TrustError(
        f"{shown} is not among the classes of a mace-torch model (0.3.x); nothing of the file was run. "
        "If it is a model of another program, export it there"
    )
