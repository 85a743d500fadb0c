"""Map the four top-level folders onto one import name: physics/ is `surrogates.physics`, and so on.

Everything else is in pyproject.toml. The packages are computed, so a new folder needs no line here.
"""

from setuptools import find_packages, setup

FLOORS = ("physics", "datasets", "workflows")
INSIDE = find_packages(include=["surrogates", "surrogates.*"])
BESIDE = [f"surrogates.{name}" for floor in FLOORS for name in [floor, *(f"{floor}.{p}" for p in find_packages(floor))]]

setup(
    packages=INSIDE + BESIDE,
    package_dir={"surrogates": "surrogates", **{f"surrogates.{floor}": floor for floor in FLOORS}},
    package_data={
        "surrogates": ["py.typed"],
        "surrogates.workflows": ["recipes/*.yaml", "static/*", "templates/*"],
    },
)
