"""A simulation on disk: paths run in groups, each kept as soon as it is done, so none is run twice.

Path k of a seed is the same numbers in any company (:mod:`dlngeo._random`), so groups put
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

from dlngeo import langevin
from dlngeo._checks import Array
from dlngeo._environment import differences, numerics
from dlngeo._equation import Equation
from dlngeo._paths.run import report
from dlngeo._results import ensemble
from dlngeo._store.files import replacing
from dlngeo.simulation import config as simulation_config
from dlngeo.simulation._beside import Comparison, beside
from dlngeo.simulation.config import Config, to_toml

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
        it: :func:`dlngeo._store.files.held`.
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


def save(
    config: Config, result: Comparison, folder: str | Path, beside: str | Path | None = None
) -> None:
    """Write ``paths.npz``, with the ensemble and both flows, and ``config.toml``.

    Where ``beside`` holds an equal configuration, maybe with somebody's comments, that one stays.
    """
    arrays: dict[str, Array] = {}
    paths, free, plain = result.ensemble, result.free_energy_flow, result.gradient_flow
    for prefix, part in (("", paths), ("free_energy_flow_", free), ("gradient_flow_", plain)):
        for name in ("t", "W", "singular_values", "energy", "effective_rank"):
            arrays[prefix + name] = getattr(part, name)
    arrays |= {"status": paths.status, "ends": paths.ends}
    arrays |= dict(zip(_layers(config), paths.weights or (), strict=True))
    np.savez(Path(folder) / "paths.npz", **arrays)  # type: ignore[arg-type]
    there = None if beside is None else kept(Path(beside))
    if there is None or to_toml(there) != to_toml(config):
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
    return {
        "told": _told(config),
        "paths": (first, first + count - 1),
        "t": paths.t,
        "W": paths.W,
        **dict(zip(_layers(config), paths.weights or (), strict=True)),
        "ends": paths.ends,
        "provenance": json.dumps(paths.provenance),
        "seconds": time.perf_counter() - begun,
    }


def _together(config: Config, groups: list[dict[str, Any]]) -> ensemble.Ensemble:
    """One ensemble of all groups."""
    known = [_known(group) for group in groups]
    provenance = {
        **known[0],
        "spawn_key": tuple(known[0]["spawn_key"]),
        "cut": sum(told["cut"] for told in known),
    }
    ends = np.concatenate([group["ends"] for group in groups])
    message = report(ends, provenance)
    mixed = sorted({differences(known[0]["versions"], told["versions"]) for told in known} - {""})
    if mixed:
        message += f", the paths of one seed in several environments ({'; '.join(mixed)})"
    equation = Equation.of(
        config.build_energy(), config.depth, config.beta, config.kappa, config.weight_decay
    )
    return ensemble.build(
        equation,
        groups[0]["t"],
        np.concatenate([group["W"] for group in groups]),
        tuple(np.concatenate([group[p] for group in groups]) for p in _layers(config)) or None,
        ends,
        message,
        provenance,
    )


def _layers(config: Config) -> list[str]:
    """The names of the weights' arrays; none downstairs."""
    return [f"W_{p}" for p in range(1, int(config.depth) + 1)] if config.upstairs else []


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
    if _told(there) != _told(config):
        raise ValueError(_another(_told(there), config, f"{out} holds the result"))
    if there.paths > config.paths:
        raise ValueError(
            f"{out} holds the result of {there.paths} paths, which {config.paths} would overwrite; "
            f"give --paths {there.paths} or more, or choose another folder"
        )


def _another(told: str, config: Config, what: str) -> str:
    """In what the run that wrote ``told`` differs from this one."""
    there, here = (
        dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
        for text in (told, _told(config))
    )
    key = next((key for key in {**here, **there} if here.get(key) != there.get(key)), "file")
    theirs, ours = (
        f"{key} = {lines[key]}" if key in lines else f"{key} not given" for lines in (there, here)
    )
    differs = f"with {theirs}, not {ours}" if len(theirs + ours) < 200 else f"with another {key}"
    return f"{what} of another run, {differs}; choose another folder"


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
            same = told == _told(config)
            if same:
                _require_whole(group, config)
        except Exception as error:  # whole, but written by something else: anything may be in it
            raise ValueError(f"{file} is no group of paths ({error!r}); remove it") from None
    if not same:
        raise ValueError(_another(told, config, f"{file.parent.parent} holds paths"))
    if file.name != _name(first, last):
        raise ValueError(f"{file} holds the paths {first} to {last}; give it back its name")
    return group


def _require_whole(group: dict[str, Any], config: Config) -> None:
    first, last = group["paths"].tolist()
    paths, frames = last - first + 1, len(group["t"])
    shapes = {group[name].shape[:2] for name in ("W", *_layers(config))}
    if shapes != {(paths, frames)} or group["ends"].shape != (paths,):
        raise ValueError("arrays of other shapes")
    if not {"cut", "versions"} <= set(_known(group)) or group["seconds"].shape != ():
        raise ValueError("an incomplete record")


def _digest(stream: BinaryIO, size: int) -> bytes:
    """The SHA-256, in hexadecimal digits, of the first bytes of a file; it stands behind them."""
    stream.seek(0)
    digest, left = hashlib.sha256(), size
    while left and (block := stream.read(min(left, 2**20))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()
