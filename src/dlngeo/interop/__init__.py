"""Faces to other libraries; each file needs the library it is named after.

- :mod:`~dlngeo.interop.geomstats`: matrices with g^N, and balanced weights, as its manifolds.
- :mod:`~dlngeo.interop.pymanopt`: full-rank matrices with g^N as a manifold for its optimisers.
- :mod:`~dlngeo.interop.sdeint`: the Langevin equation in the form that its integrators take.
- :mod:`~dlngeo.interop.sklearn`: a low-rank completion as an imputer.

Nothing else in the library imports them.
"""
