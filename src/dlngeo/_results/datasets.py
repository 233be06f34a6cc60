"""Results as ``xarray.Dataset``: the same arrays, with named dimensions (extra ``study``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlngeo._checks import Array, Weights

if TYPE_CHECKING:
    import xarray


def dataset(
    base: list[str],
    W: Array,
    observables: dict[str, Array | None],
    weights: Weights | None,
    coordinates: dict[str, Array],
    attributes: dict[str, Any],
) -> xarray.Dataset:
    """Arrays that begin with the dimensions ``base``; what is None is left out."""
    import xarray

    variables: dict[str, tuple[list[str], Array]] = {"W": ([*base, "row", "column"], W)}
    for name, values in observables.items():
        if values is not None:
            variables[name] = ([*base, "index"][: values.ndim], values)
    for p, layer in enumerate(weights or (), start=1):
        variables[f"W_{p}"] = ([*base, f"node_{p}", f"node_{p - 1}"], layer)
    return xarray.Dataset(variables, coords=coordinates, attrs=attributes)
