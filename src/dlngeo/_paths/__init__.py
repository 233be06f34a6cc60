"""Many paths of one stochastic scheme: their noise, their steps, the parts of a step."""
