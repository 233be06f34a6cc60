"""A simulation on disk: paths run in groups, each kept as soon as it is done, so none is run twice.

Path k of a seed is the same numbers in any company (:mod:`dlngeo.dynamics.noise`), so groups put
together are the run in one piece, bit for bit, whatever was interrupted in between; and a run with
more paths begins with the groups of one with fewer.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dlngeo._checks import Array
from dlngeo._environment import differences, numerics
from dlngeo.dynamics import ensemble, langevin
from dlngeo.studies import simulation_config
from dlngeo.studies.files import replacing
from dlngeo.studies.simulation import Comparison, beside
from dlngeo.studies.simulation_config import Config, to_toml

GROUP = 128  # paths
_DIGITS = hashlib.sha256().digest_size * 2
Progress = Callable[[int], None]


def run(
    config: Config,
    out: str | Path,
    *,
    progress: Progress | None = None,
    mix_environments: bool = False,
) -> Comparison:
    """Simulate, or go on from the groups that are in ``out`` already.

    Parameters
    ----------
    config : Config
    out : path
        A folder; groups are kept in ``out/groups``. Where others may write to it meanwhile, hold
        it: :func:`dlngeo.studies.files.held`.
    progress : callable or None
        ``progress(n)`` when the first n paths are on disk.
    mix_environments : bool
        Go on from paths that were made with other versions or on another kind of processor. They
        have the law of this run, but not the bits.

    Raises
    ------
    ValueError
        If the folder holds paths of another configuration or, unless told to mix, of another
        environment; a damaged group; or a result of more paths than these.
    """
    _require_room(config, Path(out))
    for file in sorted((Path(out) / "groups").glob("*.npz")):
        _require_environment(_read(file, config), file, mix_environments)
    groups = []
    for first, count, file in _groups(config, out):
        if not file.exists():
            _write(file, _group(config, first, count))
        groups.append(_read(file, config))
        if progress is not None:
            progress(first + count)
    return beside(config.build_energy(), _together(config, groups))


def seconds(config: Config, out: str | Path) -> float:
    """How long the groups of this run took, interruptions not counted."""
    return float(sum(_read(file, config)["seconds"] for *_, file in _groups(config, out)))


def _groups(config: Config, out: str | Path) -> Iterator[tuple[int, int, Path]]:
    """The first path, the number of paths and the file of each group."""
    for first in range(0, config.paths, GROUP):
        count = min(GROUP, config.paths - first)
        yield first, count, Path(out) / "groups" / _name(first, first + count - 1)


def _name(first: int, last: int) -> str:
    return f"{first:06d}-{last:06d}.npz"


def _known(group: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(str(group["provenance"])))


def save(config: Config, result: Comparison, folder: str | Path) -> None:
    """Write ``paths.npz``, with the ensemble and both flows, and ``config.toml``."""
    arrays: dict[str, Array] = {}
    paths, free, plain = result.ensemble, result.free_energy_flow, result.gradient_flow
    for prefix, part in (("", paths), ("free_energy_flow_", free), ("gradient_flow_", plain)):
        for name in ("t", "W", "singular_values", "energy", "effective_rank"):
            arrays[prefix + name] = getattr(part, name)
    for p, layer in enumerate(paths.weights or (), start=1):
        arrays[f"W_{p}"] = layer
    np.savez(Path(folder) / "paths.npz", **arrays)  # type: ignore[arg-type]
    (Path(folder) / "config.toml").write_text(to_toml(config), encoding="utf-8")


# -------------------------------------------------------------------------------------- one group


def _group(config: Config, first: int, count: int) -> dict[str, Any]:
    """The arrays of paths first .. first + count - 1."""
    begun = time.perf_counter()
    paths = langevin.simulate(
        config.build_energy(),
        config.matrix(),
        depth=config.depth,
        beta=config.beta,
        kappa=config.kappa,
        weight_decay=config.weight_decay,
        dt=config.dt,
        n_steps=config.steps,
        n_paths=count,
        first_path=first,
        rng=config.seed,
        upstairs=config.upstairs,
        save_every=config.save_every,
    )
    layers = {f"W_{p}": layer for p, layer in enumerate(paths.weights or (), start=1)}
    return {
        "told": _told(config),
        "paths": (first, first + count - 1),
        "t": paths.t,
        "W": paths.W,
        **layers,
        "status": paths.status,
        "message": paths.message,
        "provenance": json.dumps(paths.provenance),
        "seconds": time.perf_counter() - begun,
    }


def _together(config: Config, groups: list[dict[str, Array]]) -> ensemble.Ensemble:
    """One ensemble; where a group could not be followed to the end, all end with it."""
    shortest = min(groups, key=lambda group: group["t"].size)
    frames = shortest["t"].size
    status, message = int(shortest["status"]), str(shortest["message"])
    known = [_known(group) for group in groups]
    cut = sum(provenance["cut"] for provenance in known)
    if status == 0:
        message = "all steps were taken"
        if cut:
            message += f", {cut} of {config.steps * config.paths} in parts"
    layers = [
        np.concatenate([group[name][:, :frames] for group in groups])
        for name in (f"W_{p}" for p in range(1, len(shortest)) if f"W_{p}" in shortest)
    ]
    return ensemble.build(
        config.build_energy(),
        shortest["t"],
        np.concatenate([group["W"][:, :frames] for group in groups]),
        tuple(layers) or None,
        status,
        message,
        {**known[0], "spawn_key": tuple(known[0]["spawn_key"]), "cut": cut},
    )


# ----------------------------------------------------------------------------------------- files


def kept(out: Path) -> Config | None:
    """The configuration whose result is in the folder."""
    file = out / "config.toml"
    if not file.exists():
        return None
    try:
        return simulation_config.read(file)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{file} is no configuration of a run; remove it, or choose another folder ({error})"
        ) from None


def _told(config: Config) -> str:
    """What determines a path: everything but how many there are."""
    return to_toml(dataclasses.replace(config, paths=1))


def _require_room(config: Config, out: Path) -> None:
    """Refuse where the result would take the place of another, or of more paths."""
    there = kept(out)
    if there is None:
        return
    _require_same(_told(there), _told(config), f"{out} holds the result")
    if there.paths > config.paths:
        raise ValueError(
            f"{out} holds the result of {there.paths} paths, which {config.paths} would overwrite; "
            f"give --paths {there.paths} or more, or choose another folder"
        )


def _require_same(theirs: str, ours: str, what: str) -> None:
    if theirs == ours:
        return
    there, here = (
        dict(line.split(" = ", 1) for line in told.splitlines() if " = " in line)
        for told in (theirs, ours)
    )
    key = next(key for key in {**here, **there} if here.get(key) != there.get(key))
    other, own = (
        f"{key} = {told[key]}" if key in told else f"{key} not given" for told in (there, here)
    )
    differs = f"with {other}, not {own}" if len(other + own) < 200 else f"with another {key}"
    raise ValueError(f"{what} of another run, {differs}; choose another folder")


def _require_environment(group: dict[str, Any], file: Path, mix: bool) -> None:
    differ = differences(_known(group)["versions"], numerics())
    if differ and not mix:
        raise ValueError(
            f"{file.parent.parent} holds paths of another environment: {differ}. Choose another "
            "folder, or --mix-environments: then the numbers are no longer those of one run"
        )


def _write(file: Path, arrays: dict[str, Any]) -> None:
    """All or nothing, and sealed: the archive's comment is the SHA-256 of everything before it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as stream:
        np.savez(stream, **arrays)
        stream.seek(-2, os.SEEK_END)
        stream.write(_DIGITS.to_bytes(2, "little"))  # the length of the comment
        size = stream.tell()
        stream.write(_digest(stream, size))


def _read(file: Path, config: Config) -> dict[str, Any]:
    """A group as it was written, of this run and of the paths in its name."""
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END) - _DIGITS
        if size < 0 or _digest(stream, size) != stream.read():
            raise ValueError(f"{file} is damaged, or no group of paths; remove it")
        stream.seek(0)
        try:
            with np.load(stream) as archive:
                group = dict(archive)
            told, (first, last) = str(group["told"]), group["paths"].tolist()
            if len(group["W"]) != last - first + 1 or not _known(group)["versions"]:
                raise ValueError("paths are missing")
        except Exception as error:  # the archive is whole: it was written by something else
            raise ValueError(f"{file} is no group of paths ({error!r}); remove it") from None
    _require_same(told, _told(config), f"{file.parent.parent} holds paths")
    if file.name != _name(first, last):
        raise ValueError(f"{file} holds the paths {first} to {last}; give it back its name")
    return group


def _digest(stream: BinaryIO, size: int) -> bytes:
    """The SHA-256, in hexadecimal digits, of the first bytes of a file; it stands behind them."""
    stream.seek(0)
    digest, left = hashlib.sha256(), size
    while left and (block := stream.read(min(left, 2**20))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()
