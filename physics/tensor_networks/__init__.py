"""Matrix product states: truncation, canonical forms, solvers."""
