r"""Gradient flows solved in closed form: the oracles of the integrators.

The energy is ½‖W - Φ‖² throughout, and there are three kinds of network.

- Decoupled paths move one at a time (55): :func:`decoupled_velocity`. If all layers of a path start
  equal, its motion is the scalar equation (61), :math:`\dot z = z^{h-1}(\sigma - z^h)`, solved for
  every depth: :func:`layer_value`; :func:`singular_value` and :func:`passage_time` say the same of
  a singular value of W, at real depths and at ``inf``.
- One hidden node, a path of two unequal layers (62)-(64): :func:`single_node`.
- Whole matrices have a closed form at depth 2 if W_2ᵀW_2 - W_1W_1ᵀ is a multiple of the identity
  (Fukumizu 1998; Saxe, McClelland and Ganguli 2014; Braun, Dominé, Fitzgerald and Saxe 2022; Dominé
  et al. 2025), a matrix Riccati equation: :func:`two_layer`.

Arrays are broadcast, and numbers come out where numbers went in. Solutions are accurate from the
plateau at a saddle to the equilibrium, times may be infinite.

Source: Wendin and Altafini, sections 5.2, 5.4 and 6.2; Menon, (4.11), (14.7) for a diagonal W.
"""

from __future__ import annotations

from dlngeo.exact._modes import decoupled_velocity, layer_value, passage_time, singular_value
from dlngeo.exact._riccati import single_node, two_layer

__all__ = [
    "decoupled_velocity",
    "layer_value",
    "passage_time",
    "single_node",
    "singular_value",
    "two_layer",
]


def __dir__() -> list[str]:
    return __all__
