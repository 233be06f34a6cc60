"""What moves: solvers, flows, trajectories."""
