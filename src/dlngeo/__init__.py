"""Geometry and stochastic dynamics of deep linear networks.

``import dlngeo as dln``, then one flat name for each room: ``dln.energies``, ``dln.weights``,
``dln.metric``, ``dln.adjacency``, ``dln.flows`` and so on. The name is where the code lies, in
``dlngeo/metric/`` or ``dlngeo/submersion.py``; a room is imported when it is first used. The list
of rooms is ``__init__.pyi`` beside this file.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
