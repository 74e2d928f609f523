"""What benchmarks score and keep: no kin of what was fitted on, and nothing that was kept of other pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import miniature
import numpy as np
import pytest
from macule_testing import write_bundle

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import kept
import parted

from macule.analysis import bundle as bundles
from macule.analysis.patient import Patient
from macule.data import links, membership, sources
from macule.data.links import COLUMNS
from macule.data.record import Record
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

BENCHMARKS = Path(kept.__file__).parent
PARTS = ("train", "calibration", "test", "test")
PICTURES = ["ham10000:one", "ham10000:two"]


@pytest.fixture
def made(tmp_path):
    """A bundle, its data and links: of each set, the third lesion is locked and shows a photograph of the first."""
    ham = miniature.ham10000(tmp_path / "HAM10000", [miniature.ham_row(f"{n}", f"10{n}", "nv") for n in range(4)])
    milk = miniature.milk10k(tmp_path / "MILK10k", {f"IL_{n}": "MEL" for n in range(4)})
    miniature.isic2018(tmp_path / "ISIC2018", "Validation", {"ISIC_20": "NV"})
    miniature.isic2017(tmp_path / "ISIC2017", "Test_v2", {"ISIC_30": (0, 0)})
    records = [*sources.load("ham10000", ham), *sources.load("milk10k", milk)]
    found = {record.group: record for record in records}
    place = {group: n % 4 for n, group in enumerate(sorted(found))}
    bundle = bundles.load(write_bundle(tmp_path / "tiny"))
    membership.write(bundle.folder / membership.FILE, {
        part: [record for record in records if PARTS[place[record.group]] == part] for part in dict.fromkeys(PARTS)})
    rows = []
    for dataset in ("ham10000", "milk10k"):
        groups = [group for group in sorted(found) if group.startswith(dataset)]
        rows.append([cell for group in (groups[0], groups[2]) for cell in
                     (dataset, found[group].picture_id, group)])
    miniature.table(tmp_path / "pairs.csv", COLUMNS, rows)
    return SimpleNamespace(bundle=bundle, data=tmp_path, pairs=tmp_path / "pairs.csv")


@pytest.mark.parametrize(("dataset", "lesion"), [("ham10000", "ham10000:HAM_"), ("milk10k", "milk10k:IL_")])
def test_a_locked_lesion_that_was_learnt_under_another_id_is_left_out(made, dataset, lesion):
    def groups(pairs, part="test"):
        return {record.group for record in parted.records(made.bundle, made.data, part=part, dataset=dataset,
                                                          pairs=pairs)}

    assert groups(None) == {f"{lesion}2", f"{lesion}3"}
    assert groups(made.pairs) == {f"{lesion}3"}
    assert groups(made.pairs, "train") == {f"{lesion}0"}


def test_a_part_that_holds_nothing_is_refused(made):
    with pytest.raises(DatasetError, match="none of these 1 pictures is in the part 'test' of bundle tiny"):
        parted.records(made.bundle, made.data, part="test", dataset="isic2018")


def test_the_views_are_of_pictures_without_kin(made):
    import views

    found = views.locked(made.bundle, "milk10k", made.data, 0, made.pairs)
    assert {record.group for record in found} == {"milk10k:IL_3"} and len(found) == 2


@pytest.mark.training
def test_the_gate_is_scored_on_pictures_without_kin(made):
    pytest.importorskip("torch", reason="needs the training extra")
    import gate

    found = gate.parts(made.bundle, made.data, 10, links.read(made.pairs))
    locked = {record.group for name in ("HAM10000", "MILK10k, dermoscopic", "MILK10k, clinical")
              for record in found[name]}
    assert locked == {"ham10000:HAM_3", "milk10k:IL_3"} and len(found["train"]) == 3


def test_the_views_need_no_torch():
    code = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import views; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# What is kept


def test_what_is_kept_is_read_for_the_same_pictures_alone(tmp_path):
    path, rows = tmp_path / "rows.npz", np.arange(6.0).reshape(2, 3)
    assert kept.load(path, PICTURES, "a") is None
    kept.save(path, rows, PICTURES, "a")
    assert (kept.load(path, PICTURES, "a") == rows).all()
    assert kept.load(path, PICTURES[::-1], "a") is None and kept.load(path, PICTURES[:1], "a") is None
    assert kept.load(path, PICTURES, "b") is None
    assert (kept.once(path, PICTURES, "b", lambda: rows + 1) == rows + 1).all()
    assert (kept.once(path, PICTURES, "b", lambda: rows + 2) == rows + 1).all()
    assert [each.name for each in tmp_path.iterdir()] == ["rows.npz"]


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """A run of 32 px and 2 views; logits are made up, and `asked` counts how often."""
    pytest.importorskip("torch", reason="needs the training extra")
    import serving

    (tmp_path / "network.pt").write_bytes(b"weights")
    run = SimpleNamespace(recipe=SimpleNamespace(serving=SimpleNamespace(size=32, views=2)))
    asked = []

    def batches(found, records, size):
        asked.append(len(records))
        yield np.stack([np.random.default_rng(int(record.picture_id)).normal(size=(8, 11)) for record in records],
                       axis=1) * size

    monkeypatch.setattr(serving, "_batches", batches)

    def logits(numbers, size=32):
        records = [Record(None, "ham10000", str(n), frozenset({Diagnosis.NV}), f"ham10000:{n}", Patient())
                   for n in numbers]
        return serving.logits(run, records, size, tmp_path)

    return SimpleNamespace(logits=logits, asked=asked, folder=tmp_path, bundling=serving.bundling)


@pytest.mark.training
def test_logits_are_kept_with_the_pictures_and_the_network_that_they_are_of(serving):
    first = serving.logits(range(5))
    assert (serving.logits(range(5)) == first).all() and serving.asked == [5]
    other = serving.logits(range(1, 6))
    assert serving.asked == [5, 5] and (other[:, 0] == first[:, 1]).all(), "as many, of other pictures"
    (serving.folder / "network.pt").write_bytes(b"others")
    serving.logits(range(1, 6))
    assert len(serving.asked) == 3


@pytest.mark.training
@pytest.mark.parametrize(("of", "said", "size", "taken"), [
    (range(5), range(5), 32, True),
    (range(5), None, 32, False),  # nothing says whose they are
    (range(1, 6), range(5), 32, False),  # as many, of other pictures
    ([0, 1, 3, 2, 4], range(5), 32, False),  # the same, in another order
    (range(4), range(5), 32, False),
    (range(5), range(1, 6), 32, False),  # the run's part was another
    (range(5), range(5), 48, False),  # the run answered at 32 px
])
def test_what_was_kept_without_names_is_read_only_where_the_run_proves_it(serving, of, said, size, taken):
    before = serving.logits(of, size)
    (serving.folder / f"calibration-{size}.npz").unlink()
    np.save(serving.folder / f"calibration-{size}.npy", before)
    if said is not None:
        answers = serving.logits(said)[:2].mean(axis=0) + np.linspace(-1, 1, 11)  # the adjustment of the prior
        (serving.folder / "calibration-32.npz").unlink()
        np.savez(serving.folder / serving.bundling.PREDICTIONS, calibration=[f"ham10000:{n}" for n in said],
                 calibration_logits=answers)
    serving.asked.clear()
    found = serving.logits(range(5), size)
    assert serving.asked == ([] if taken else [5])
    assert found.shape == (8, 5, 11)
    if taken:
        assert (found == before).all() and (serving.folder / f"calibration-{size}.npz").is_file()


@pytest.mark.training
def test_a_former_file_that_was_cut_off_is_not_read(serving):
    np.save(serving.folder / "calibration-32.npy", serving.logits(range(5)))
    (serving.folder / "calibration-32.npz").unlink()
    path = serving.folder / "calibration-32.npy"
    path.write_bytes(path.read_bytes()[:200])
    (serving.folder / serving.bundling.PREDICTIONS).write_bytes(b"PK\x03\x04")
    serving.asked.clear()
    assert serving.logits(range(5)).shape == (8, 5, 11) and serving.asked == [5]
