r"""Landscapes: energy, entropy, free energy and more on planes and lines through matrix space.

:func:`plane` computes, at all points of a grid at once, E, the Boltzmann entropy S, the free energy
F_β = E - S/β + (γN/2) Σ σ^{2/N}, how steep it is in g^N, the least eigenvalue of its Hessian there,
and the Gibbs density; over several depths, β, γ and κ where sequences are given. The plane is one
of two entries of W, of two directions, or a :class:`Section`: of singular values at fixed frames,
or through given matrices; with one axis it is a line.

- A :class:`Landscape` has the arrays (``values``), labelled ones (``landscape["F"]``), and
  :class:`Points`: the minimisers of F, and its critical points on the section, by kind and rank.
- :func:`plot` draws contours, surfaces and profiles; :func:`draw_points` marks the points;
  :func:`flow_lines` and :func:`draw_paths` put flows, geodesics and Langevin paths on it.
- :data:`PRESETS` has three, :func:`read` reads a :class:`Config` from a TOML file.

``dlngeo landscape`` is :func:`plane` with a figure and files (``dlngeo.landscapes.study``).
"""

from __future__ import annotations

from dlngeo.landscapes._drawing import draw_points, plot
from dlngeo.landscapes._landscape import Landscape
from dlngeo.landscapes._plane import plane
from dlngeo.landscapes._points import Points
from dlngeo.landscapes._sections import Section
from dlngeo.landscapes.config import PRESETS, Config, read
from dlngeo.landscapes.figures import draw_paths, flow_lines

__all__ = [
    "PRESETS",
    "Config",
    "Landscape",
    "Points",
    "Section",
    "draw_paths",
    "draw_points",
    "flow_lines",
    "plane",
    "plot",
    "read",
]


def __dir__() -> list[str]:
    return __all__
