"""`macule explain`: where a network looked, by several methods. Needs the extra `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from macule.cli import options
from macule.cli.exit import DONE, SOME_FAILED
from macule.errors import InputError, UsageError

if TYPE_CHECKING:
    from macule.analysis.patient import Patient
    from macule.analysis.pipeline import Analyzer
    from macule.training.explain.compare import Model

_METHODS = "cam, grad-cam, grad-cam++, integrated-gradients, shap, lime or occlusion; repeat for several."


def explain(
    pictures: Annotated[list[Path] | None, typer.Argument(metavar="PICTURE...", help="Pictures, or folders.")] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the overlays and the figures.")],
    method: Annotated[list[str] | None, typer.Option(help=_METHODS)] = None,
    diagnosis: Annotated[str | None, typer.Option("--class", help="Its code; the first diagnosis by default.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="All methods on a data set, in one table.")] = False,
    dataset: Annotated[str | None, typer.Option(help="To compare on: one of `macule data list`.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder that the data set was unzipped in.")] = None,
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "all",
    sample: Annotated[int, typer.Option(min=1, help="How many pictures to compare on.")] = 60,
    randomised: Annotated[int, typer.Option(min=0, help="Of these, on how many to test with forgotten weights.")] = 12,
    seed: int = 0,
    links: Annotated[Path | None, typer.Option(help="pairs.csv of macule data audit: one lesion, two ids.")] = None,
    age: Annotated[str | None, typer.Option(help="Age in years, 0 to 120.")] = None,
    sex: Annotated[str | None, typer.Option(help="female or male.")] = None,
    site: Annotated[str | None, typer.Option(help="Where on the body.")] = None,
    modality: Annotated[str | None, typer.Option(help="dermoscopic or clinical.")] = None,
    bundle: options.BundleName = None,
    threads: options.Threads = 1,
) -> None:
    """Show what in a picture speaks for a diagnosis, and how far each method can be believed. For research.

    Writes PICTURE.METHOD.png and explain.json; with --compare, methods.md and methods.json.
    """
    from macule.cli.train import need_training

    chosen = tuple(dict.fromkeys(method or ()))
    _check(chosen, pictures or [], compare=compare, dataset=dataset, root=root)
    need_training()
    from macule.analysis import bundle as bundles
    from macule.analysis.patient import Patient
    from macule.analysis.pipeline import Analyzer
    from macule.cli.sinks import make_folder

    make_folder(out, "--out")
    loaded = bundles.load(bundle)
    if compare and dataset is not None and root is not None:  # _check has seen to the two
        asked = {"part": split, "sample": sample, "randomised": randomised, "seed": seed, "links": links}
        _compare(loaded, chosen, dataset, root, out, threads=threads or 1, asked=asked)
        return
    patient = Patient.parse(age=age, sex=sex, site=site, modality=modality)
    failed = _pictures(Analyzer(loaded), pictures or [], chosen or ("cam",), out, diagnosis=diagnosis,
                       patient=patient, threads=threads or 1)
    raise typer.Exit(SOME_FAILED if failed else DONE)


#: As `macule.training.explain.methods.METHODS`, which needs torch to be looked at.
NAMES = ("cam", "grad-cam", "grad-cam++", "integrated-gradients", "shap", "lime", "occlusion")


def _check(methods: tuple[str, ...], pictures: list[Path], *, compare: bool, dataset: str | None,
           root: Path | None) -> None:
    for name in methods:
        if name not in NAMES:
            raise UsageError(f"--method is {name!r}; one of {', '.join(NAMES)} is needed.")
    if compare and (pictures or dataset is None or root is None):
        raise UsageError("--compare takes --dataset and --root, and no pictures.")
    if not compare and not pictures:
        raise UsageError("name at least one picture, or compare the methods with --compare --dataset ID --root DIR.")


def _compare(bundle: Any, methods: tuple[str, ...], dataset: str, root: Path, out: Path, *,
             threads: int, asked: dict[str, Any]) -> None:
    from macule.cli.progress import bars
    from macule.data import links as pairs
    from macule.evaluation import service
    from macule.training.explain import compare as comparing

    records = service.select(bundle, dataset, root, part=asked["part"])
    kept = service.without_kin(bundle, records, pairs=pairs.read(asked["links"]))
    with bars() as start:
        found = comparing.measure(bundle, kept, methods=methods or NAMES, sample=asked["sample"],
                                  randomised=asked["randomised"], seed=asked["seed"], threads=threads,
                                  start=lambda count: start("explaining", count))
    found |= {"dataset": dataset, "split": asked["part"], "dropped_leaks": len(records) - len(kept)}
    (out / "methods.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / "methods.md").write_text(comparing.markdown(found), encoding="utf-8")
    typer.echo(comparing.markdown(found))


def _pictures(analyzer: Analyzer, paths: list[Path], methods: tuple[str, ...], out: Path, *, diagnosis: str | None,
              patient: Patient, threads: int) -> int:
    """Returns: how many could not be explained."""
    from macule.cli.paths import expand
    from macule.training.explain import compare as comparing
    from macule.training.explain.methods import ready

    ready(methods)
    wanted, model, rows, failed = _index(diagnosis), comparing.load(analyzer.bundle, threads=threads), [], 0
    used: dict[str, int] = {}
    for path, error in expand(paths):
        try:
            if error is not None:
                raise error
            rows += _one(analyzer, model, path, methods, out, wanted=wanted, patient=patient, used=used)
        except InputError as fault:
            failed += 1
            rows.append({"image": str(path), "error": fault.to_dict()})
            typer.echo(f"{path}: {fault}", err=True)
    (out / "explain.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return failed


def _index(code: str | None) -> int | None:
    from macule.taxonomy import Diagnosis

    codes = [each.value for each in Diagnosis]
    if code is not None and code.lower() not in codes:
        raise UsageError(f"--class is {code!r}; one of {', '.join(codes)} is needed.")
    return None if code is None else codes.index(code.lower())


def _one(analyzer: Analyzer, model: Model, path: Path, methods: tuple[str, ...], out: Path, *, wanted: int | None,
         patient: Patient, used: dict[str, int]) -> list[dict[str, Any]]:
    """Raises: InputError if the picture cannot be read or judged."""
    import time

    from macule.analysis import explain as drawing
    from macule.evaluation import heatmaps
    from macule.taxonomy import Diagnosis
    from macule.training.explain import compare as comparing
    from macule.training.explain.methods import METHODS

    result = analyzer.analyze(path, patient=patient)
    if result.assessment is None or result.thumbnail is None:
        raise InputError(result.advice)
    answer = result.assessment
    index = list(Diagnosis).index(answer.heatmap_of) if wanted is None else wanted
    code = list(Diagnosis)[index]
    case, frame = heatmaps.of_picture(analyzer.bundle, path, patient)
    subject = model.subject(analyzer.bundle, case, index)
    rows = []
    for name in methods:
        began = time.perf_counter()
        heat = comparing.shown(METHODS[name](subject), subject)
        seconds = time.perf_counter() - began
        deletion, insertion = comparing.areas(subject, heat)
        picture = _unused(out, f"{path.stem}.{name}", used)
        picture.write_bytes(drawing.to_png(drawing.overlay(result.thumbnail, drawing.place(heat, frame))))
        probability = next(ranked.probability for ranked in answer.diagnoses if ranked.code == code)
        rows.append({
            "image": str(path), "method": name, "class": code.value, "probability": round(probability, 6),
            "malignant": round(answer.malignant, 6), "deletion_area": round(deletion, 4),
            "insertion_area": round(insertion, 4), "blank": not heat.any(), "seconds": round(seconds, 2),
            "overlay": picture.name,
        })
        typer.echo(f"{path}: {name}, {code.value} {probability:.1%}: deletion {deletion:.3f}, "
                   f"insertion {insertion:.3f}, {seconds:.1f} s -> {picture}")
    return rows


def _unused(folder: Path, stem: str, used: dict[str, int]) -> Path:
    """Numbered where two pictures share a name."""
    number = used[stem] = used.get(stem, 0) + 1
    return folder / (f"{stem}.png" if number == 1 else f"{stem}.{number}.png")
