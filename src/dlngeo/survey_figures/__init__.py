"""Figures 2 to 7 of Wendin and Altafini, section 6, drawn anew and corrected."""

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
