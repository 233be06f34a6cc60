"""Functions of singular values and frames, on which the metric, entropy and noise are built.

- :mod:`~dlngeo.spectral.divided_differences`: the eigenvalues K of 𝒜, divided differences of t^N,
  and those of K (Menon, (7.13), (14.8)).
- :mod:`~dlngeo.spectral.frame`: W in its frames with the eigenvalues of 𝒜 there, ``Frame``.
- :mod:`~dlngeo.spectral.entropic_force`: the force between two singular values, and how it changes
  (12.8).
- :mod:`~dlngeo.spectral.fibre_volume`: volumes of groups, frames and fibres (section 6).
- :mod:`~dlngeo.spectral.square_svd` and :mod:`~dlngeo.spectral.two_by_two`: decompositions of
  stacks of square matrices that give a path the same bits in any company, for stochastic steps.

Users have no need of it: what they want of it stands in :mod:`dlngeo.metric` and
:mod:`dlngeo.entropy`.
"""
