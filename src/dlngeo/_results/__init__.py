"""What comes out of anything that moves: trajectories and ensembles, on disk and as xarray's."""
