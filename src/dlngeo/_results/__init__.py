"""What comes out of anything that moves: trajectories and ensembles, and both as xarray's."""
