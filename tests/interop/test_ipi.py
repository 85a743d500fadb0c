"""The i-PI protocol, with ASE's server and with i-PI itself (extra `ipi`) at the other end."""

import os
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.socketio import SocketIOCalculator
from ase.md.verlet import VelocityVerlet
from ase.units import fs

from surrogates import SurrogateCalculator
from surrogates.interop.ipi import connect
from surrogates.physics.errors import DomainError
from surrogates.potentials.pair import LennardJones, Morse

I_PI = shutil.which("i-pi") or shutil.which("i-pi", path=str(Path(sys.executable).parent))


def argon():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.15, seed=1)
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.1, 1, 0], [0.05, 0.02, 1]], scale_atoms=True)
    return atoms


@pytest.fixture
def socket():
    return f"surrogates-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def client(*arguments, **options):
    thread = threading.Thread(target=connect, args=arguments, kwargs=options, daemon=True)
    thread.start()
    return thread


def test_a_crystal_through_the_socket(socket):
    atoms, here = argon(), argon()
    here.calc = SurrogateCalculator(LennardJones())
    thread = client(LennardJones(), argon(), unix=socket)
    with SocketIOCalculator(unixsocket=socket, timeout=60) as server:
        atoms.calc = server
        for _ in range(2):
            assert atoms.get_potential_energy() == pytest.approx(here.get_potential_energy(), abs=1e-9)
            np.testing.assert_allclose(atoms.get_forces(), here.get_forces(), atol=1e-9)
            np.testing.assert_allclose(atoms.get_stress(), here.get_stress(), atol=1e-10)
            for moved in (atoms, here):
                moved.rattle(0.05, seed=2)
                moved.set_cell(moved.cell.array * 1.01, scale_atoms=True)
    thread.join(20)
    assert not thread.is_alive()


def test_a_molecule_has_no_virial(socket):
    atoms, here = molecule("CH4"), molecule("CH4")
    model = Morse(depth=1.0, width=1.5, r0=1.2, r_max=4.0)
    here.calc = SurrogateCalculator(model)
    thread = client(model, molecule("CH4"), unix=socket)
    with SocketIOCalculator(unixsocket=socket, timeout=60) as server:
        atoms.calc = server
        np.testing.assert_allclose(atoms.get_forces(), here.get_forces(), atol=1e-9)
    thread.join(20)
    assert not thread.is_alive()


def test_no_server_is_one_clear_error(socket):
    with pytest.raises(DomainError, match=f"no server answers at /tmp/ipi_{socket}"):
        connect(LennardJones(), argon(), unix=socket, wait=0)
    with pytest.raises(DomainError, match="2 structures"):
        connect(LennardJones(), [argon(), argon()], unix=socket)


INPUT = """<simulation verbosity='quiet'>
  <output prefix='run'>
    <properties stride='1' filename='out'> [ step, potential{electronvolt}, kinetic_md{electronvolt} ] </properties>
  </output>
  <total_steps>10</total_steps>
  <ffsocket name='surrogate' mode='unix' pbc='False'>
    <address>SOCKET</address> <latency>1e-3</latency> <timeout>120</timeout>
  </ffsocket>
  <system>
    <initialize nbeads='1'> <file mode='xyz'> init.xyz </file> </initialize>
    <forces> <force forcefield='surrogate'/> </forces>
    <motion mode='dynamics'>
      <dynamics mode='nve'> <timestep units='femtosecond'> 4.0 </timestep> </dynamics>
    </motion>
  </system>
</simulation>
"""


@pytest.mark.skipif(I_PI is None, reason="i-PI is not installed (extra ipi)")
def test_dynamics_of_i_pi_itself(socket, tmp_path):
    atoms = argon()
    cell = " ".join(f"{x:.12f}" for x in atoms.cell.cellpar())
    rows = [f"Ar {x:.15f} {y:.15f} {z:.15f}" for x, y, z in atoms.positions]
    header = f"# CELL(abcABC): {cell} cell{{angstrom}} positions{{angstrom}}"
    (tmp_path / "init.xyz").write_text("\n".join(["4", header, *rows]) + "\n")
    (tmp_path / "input.xml").write_text(INPUT.replace("SOCKET", socket))
    thread = client(LennardJones(), atoms, unix=socket)
    done = subprocess.run([I_PI, "input.xml"], cwd=tmp_path, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    thread.join(20)
    assert not thread.is_alive()
    _, potential, kinetic = np.loadtxt(tmp_path / "run.out").T
    atoms.set_masses([39.948] * 4)
    atoms.calc = SurrogateCalculator(LennardJones())
    expected = []
    md = VelocityVerlet(atoms, 4.0 * fs)
    for _ in md.irun(10):
        expected.append((atoms.get_potential_energy(), atoms.get_kinetic_energy()))
    np.testing.assert_allclose(np.stack([potential, kinetic], axis=1), expected, rtol=1e-5, atol=1e-8)
    assert kinetic[-1] > 1e-4
