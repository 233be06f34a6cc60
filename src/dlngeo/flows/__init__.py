r"""Gradient flows and gradient descent: of the weights, of the end-to-end matrix, of the network.

One motion in three state spaces. Upstairs the weights follow minus the lifted gradient,

.. math:: \dot W_p = -(W_N\cdots W_{p+1})^T E'(W)(W_{p-1}\cdots W_1)^T;

downstairs, from a balanced start, the end-to-end matrix follows :math:`\dot W = -\mathcal
A_{N,W}(E'(W))`; the ground truth is the matrix equation of the whole network. All take stacks of
networks and weight decay; downstairs there are also a rank to stay on, real depths, and ``inf``.

- :func:`gradient_flow` goes upstairs from weights, downstairs from a matrix with its depth;
- :func:`adjacency_flow` integrates the network as one matrix;
- :func:`free_energy_flow` adds the entropic force: the Langevin equation at κ = 0;
- :func:`gradient_descent` takes steps instead;
- :func:`ensemble` follows many starts, each with steps and an end of its own.

Each returns a :class:`Trajectory`: times, states, what is read off them, how the run went and what
it cost. ``Trajectory.save`` and ``Trajectory.load`` keep one on disk, bit for bit; a run that is
killed leaves nothing, so a long one is taken in pieces. Any ``scipy.integrate.OdeSolver`` carries
a flow; :data:`METHODS` names those known by a word. ``callback(t, W)`` sees every step and may end
the run.

Source: Menon, sections 3, 4, 6 and 14; Wendin and Altafini, sections 2, 3 and 7.
"""

from __future__ import annotations

from dlngeo._results.flow_ensemble import FlowEnsemble
from dlngeo._results.trajectory import Trajectory
from dlngeo.flows._control import METHODS
from dlngeo.flows._control import Control as Control
from dlngeo.flows._descent import gradient_descent
from dlngeo.flows._ensemble import ensemble
from dlngeo.flows._flows import adjacency_flow, free_energy_flow, gradient_flow
from dlngeo.flows._integration import integrate as integrate

__all__ = [
    "METHODS",
    "FlowEnsemble",
    "Trajectory",
    "adjacency_flow",
    "ensemble",
    "free_energy_flow",
    "gradient_descent",
    "gradient_flow",
]


def __dir__() -> list[str]:
    return __all__
