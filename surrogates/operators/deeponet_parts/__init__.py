"""Parts of the DeepONet family: DeepXDE's networks, sensors, query points, trunk features, boundary transforms."""
