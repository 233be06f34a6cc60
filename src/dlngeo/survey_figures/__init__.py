"""Figures 2 to 7 of Wendin and Altafini, section 6, drawn anew and corrected.

Each function returns a Matplotlib figure, readable in greyscale; nothing is shown or written.

- :func:`figure_2` and :func:`figure_3` take trajectories of weights, such as
  :func:`dlngeo.sequential.train` computes: singular values, norms, loss and the alignment of the
  layers' frames, near the origin and away from it, for separate and for close singular values.
- :func:`figure_4` draws the loss along arcs between critical points.
- :func:`figure_5`, :func:`figure_6` and :func:`figure_7` are of networks small enough to see all of
  weight space: orbits, minima, and where the flow goes.
- :func:`overlaps` and :func:`misaligned` are the numbers behind the panels of alignment.

Source: Wendin and Altafini, section 6; what differs from the print is said with each figure.
"""

from __future__ import annotations

from dlngeo.survey_figures._figures import figure_2, figure_3, figure_4, misaligned, overlaps
from dlngeo.survey_figures._small_networks import figure_5, figure_6, figure_7
from dlngeo.survey_figures._small_networks import two_node_minima as two_node_minima

__all__ = [
    "figure_2",
    "figure_3",
    "figure_4",
    "figure_5",
    "figure_6",
    "figure_7",
    "misaligned",
    "overlaps",
]


def __dir__() -> list[str]:
    return __all__
