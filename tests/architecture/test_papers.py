"""A paper's file names its paper: exact title and arXiv number or DOI in the first lines of its docstring."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPER_FILES = {
    "surrogates/potentials/mace.py": "2206.07697",
    "surrogates/potentials/tensornet.py": "2306.06482",
    "surrogates/operators/group_fno.py": "2306.05697",
    "surrogates/operators/fno.py": "2010.08895",
    "surrogates/operators/tfno.py": "2310.00120",
    "surrogates/operators/unet.py": "1505.04597",
    "surrogates/operators/multigrid_tfno.py": "2310.00120",
    "surrogates/blocks/fourier_conv.py": "2010.08895",
    "surrogates/simulation/parareal.py": "10.1016/S0764-4442(00)01793-6",
    "physics/fields/darcy.py": "2010.08895",
    "physics/fields/imex.py": "10.1016/S0168-9274(02)00138-1",
    "physics/tensors/tucker.py": "10.1137/S0895479898346995",
    "physics/tensors/tensor_train.py": "10.1137/090752286",
    "physics/atoms/pair.py": "",
    "physics/atoms/ewald.py": "10.1002/andp.19213690304",
    "physics/atoms/pme.py": "10.1063/1.470117",
    "surrogates/potentials/dispersion.py": "10.1063/1.3382344",
    "surrogates/equivariance/products/so2.py": "2302.03655",
    "surrogates/equivariance/products/gaunt.py": "2401.10216",
    "surrogates/equivariance/products/grid.py": "2506.13523",
    "surrogates/equivariance/products/cp_decomposed.py": "2507.01131",
    "surrogates/equivariance/products/clebsch_gordan.py": "1802.08219",
    "surrogates/operators/deeponet.py": "1910.03193",
    "surrogates/operators/mionet.py": "2202.06137",
    "surrogates/operators/pod_deeponet.py": "2111.05512",
    "datasets/generators/ode_operators.py": "1910.03193",
    "surrogates/derivatives/stde.py": "2412.00088",
    "surrogates/derivatives/forward_laplacian.py": "2307.08214",
    "surrogates/derivatives/polarisation.py": "10.1090/S0025-5718-00-01120-0",
    "surrogates/derivatives/taylor_tensor.py": "2009.03192",
    "surrogates/pinns/lagrangian_pinn.py": "2205.02902",
    "surrogates/pinns/causal.py": "2203.07404",
    "surrogates/pinns/modified_mlp.py": "2001.04536",
    "surrogates/pinns/residual.py": "10.1137/19M1274067",
    "surrogates/pinns/shared_input.py": "2412.00088",
    "surrogates/blocks/convex_gradient.py": "2111.12187",
    "physics/meshes/shells.py": "10.1002/nme.1620210213",
    "surrogates/meshes/mesh_graph_net.py": "2010.03409",
    "surrogates/meshes/transformer.py": "2508.18051",
    "surrogates/meshes/patterns.py": "2508.18051",
    "surrogates/meshes/positions.py": "2104.09864",
    "surrogates/meshes/spectral.py": "2012.09699",
    "surrogates/meshes/bi_stride.py": "2210.02573",
    "surrogates/meshes/mmgp.py": "2305.12871",
    "surrogates/meshes/pod.py": "10.1090/qam/910462",
    "surrogates/meshes/morphing/disc.py": "10.1112/plms/s3-13.1.743",
    "surrogates/meshes/plate_graph.py": "2309.13022",
    "surrogates/meshes/graph_sage.py": "1706.02216",
    "physics/tensor_networks/dmrg.py": "10.1103/PhysRevLett.69.2863",
    "physics/tensor_networks/tdvp.py": "1408.5056",
    "physics/tensor_networks/tebd.py": "quant-ph/0310089",
    "physics/tensor_networks/sampling.py": "1201.3974",
    "physics/tensor_networks/subspace_expansion.py": "1501.05504",
    "physics/tensor_networks/infinite_dmrg.py": "0804.2509",
    "physics/tensor_networks/charged_dmrg.py": "1008.4774",
    "physics/tensor_networks/global_expansion.py": "2005.06104",
    "physics/tensor_networks/thermal.py": "10.1103/PhysRevLett.93.207204",
}
REFERENCE = re.compile(r"arXiv:\d{4}\.\d{4,5}|10\.\d{4,9}/\S+|ISBN")


@pytest.mark.parametrize(("name", "number"), PAPER_FILES.items())
def test_docstring_names_the_paper(name, number):
    text = ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8"))) or ""
    assert REFERENCE.search(text), f"{name}: no arXiv number or DOI in its docstring"
    assert number in text
