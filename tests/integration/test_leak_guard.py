"""The leak guard from end to end: a leaking split is refused by training and by evaluation, or marks all it touches.

And on the real HAM10000, where that is at hand: what a split by picture leaks, and that ours does not.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

import miniature
import numpy as np
import pytest
from macule_testing import draw

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.cli.app import run
from macule.data import guard, kinship, links, manifest, membership, schemes, sources, splitfile
from macule.data.kinship import Kind
from macule.data.schemes import By, Rows
from macule.evaluation import outliers

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = Path(os.environ.get("MACULE_DATA") or CHECKOUT / ".." / "shared" / "data")

RECIPE = """
name = "mini"
summary = "for tests"
datasets = ["ham10000"]
seed = 5
[network]
backbone = "test_vit"
pretrained = "no"
[[phases]]
samples = 8
size = 64
learning_rate = 1e-3
[engine]
batch = 4
validate_every = 0
[serving]
size = 64
"""
FIGURE = re.compile(r"\d\.\d{3}|undefined")


# A miniature, from its folder to the figures


class Place:
    """A miniature HAM10000 of 24 lesions, two pictures each, with its manifest and two splits."""

    def __init__(self, folder: Path) -> None:
        self.data, self.folder = folder / "data", folder
        rows = [miniature.ham_row(f"{n // 2:07}", f"{n:07}", ("nv", "mel", "bcc")[n // 2 % 3]) for n in range(48)]
        root = miniature.ham10000(self.data / "HAM10000", rows, paint=_paint)
        self.manifest = folder / "ham.parquet"
        manifest.write(self.manifest, sources.load("ham10000", root), roots={"ham10000": root})
        (folder / "mini.toml").write_text(RECIPE, encoding="utf-8")

    def split(self, *options: str) -> Path:
        out = self.folder / f"split{len(list(self.folder.glob('split*')))}.parquet"
        command = ["data", "split", str(self.manifest), "--scheme", "50/25/25", "--out", str(out), *options]
        assert run(command) == 0
        return out

    def train(self, split: Path, out: str, *options: str) -> int:
        return run(["train", str(self.folder / "mini.toml"), "--data", str(self.data), "--out", str(self.folder / out),
                    "--work", str(self.folder / "work"), "--split", str(split), "--manifest", str(self.manifest),
                    *options])

    def evaluate(self, bundle: Path, *options: str) -> int:
        return run(["evaluate", "--bundle", str(bundle), "--dataset", "ham10000", "--root", str(self.data / "HAM10000"),
                    *options])


def _paint(path: Path) -> None:
    seed = sum(path.stem.encode()) + int(path.stem[-2:])
    miniature.save(path, draw(seed=seed, spot=(90, 40 + seed % 80, 40)))


@pytest.fixture(autouse=True)
def _few_outliers(monkeypatch):
    """The pictures without a lesion have tests of their own."""
    monkeypatch.setattr(outliers, "measure", partial(outliers.measure, per_kind=1))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("place"))


def test_training_refuses_a_leaking_split_before_any_work(place, capfd):
    pytest.importorskip("torch", reason="needs the training extra")
    leaky = place.split("--by", "picture")
    capfd.readouterr()
    assert place.train(leaky, "refused") == 1
    said = " ".join(capfd.readouterr().err.split())
    assert re.search(r"macule: the split leaks: \d+ of 12 pictures of val .*have a sibling in train: same lesion \d+; "
                     r"for example ham10000:ISIC_00000\d\d and ham10000:ISIC_00000\d\d \(same lesion\)", said)
    assert "or mark every figure LEAKY with --allow-leak" in said and "Traceback" not in said
    assert not (place.folder / "refused").exists() and not (place.folder / "work").exists()


def test_training_refuses_a_file_that_says_it_leaks(place, capfd):
    """The links that it was made with, or the other data sets, are not at hand: its own word counts."""
    pytest.importorskip("torch", reason="needs the training extra")
    clean = splitfile.read(place.split(), manifest=manifest.read(place.manifest).hash)
    said = splitfile.Made(**{**vars(clean.made), "leaky": True})
    splitfile.write(place.folder / "says.parquet", splitfile.Split(clean.manifest, said, clean.parts))
    assert place.train(place.folder / "says.parquet", "refused") == 1
    assert "says that it leaks" in capfd.readouterr().err


def test_training_sees_what_only_links_tell(place, tmp_path, capfd):
    """A clean split, of which two lesions turn out to be one photograph."""
    pytest.importorskip("torch", reason="needs the training extra")
    clean = place.split()
    parts = splitfile.read(clean, manifest=manifest.read(place.manifest).hash).parts
    one, other = (next(name for name, part in parts.items() if part == wanted) for wanted in ("train", "test"))
    ids = [(name.split(":")[1], f"ham10000:HAM_{int(name[-7:]) // 2:07}") for name in (one, other)]
    header = "first_dataset,first_picture,first_group,second_dataset,second_picture,second_group"
    (tmp_path / "pairs.csv").write_text(f"{header}\n" + ",".join(f"ham10000,{name},{group}" for name, group in ids))
    assert place.train(clean, "refused", "--links", str(tmp_path / "pairs.csv")) == 1
    assert "near duplicate 2" in " ".join(capfd.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--fold", "fold0"), 2, "the fold is 'fold0', but this split has the parts"),
        (("--manifest", "nowhere.parquet"), 1, "nowhere.parquet is no file"),
    ],
)
def test_what_training_refuses(place, capfd, options, status, message):
    pytest.importorskip("torch", reason="needs the training extra")
    assert place.train(place.split(), "refused", *options) == status
    assert message in " ".join(capfd.readouterr().err.split())


def test_a_split_without_a_val_part_calibrates_nothing(place, capfd):
    pytest.importorskip("torch", reason="needs the training extra")
    assert place.train(place.split("--scheme", "80/20"), "refused") == 2
    assert "has no val part" in capfd.readouterr().err


def test_split_and_manifest_belong_together(place, capfd):
    start = ["train", "lite", "--data", "data", "--out", "out"]
    assert run([*start, "--split", "split.parquet"]) == 2
    assert "--split and --manifest belong together" in capfd.readouterr().err
    assert run([*start, "--fold", "fold0"]) == 2
    assert "--fold only goes with --split" in capfd.readouterr().err


@pytest.fixture(scope="module")
def tiny_limits():
    """What a bundle needs, at the size of a miniature."""
    pytest.importorskip("torch", reason="needs the training extra")
    import torch

    from macule.training import fit

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "MIN_POSITIVES", 2)
        patch.setattr(fit, "GATE_DIRECTIONS", 8)
        yield


@pytest.fixture(scope="module")
def leaky(place, tiny_limits):
    split, log = place.split("--by", "picture"), place.folder / "leaky.log"
    with log.open("w", encoding="utf-8") as stream, contextlib.redirect_stdout(stream):
        assert place.train(split, "leaky", "--allow-leak") == 0
    return place.folder / "leaky"


@pytest.fixture(scope="module")
def clean(place, tiny_limits):
    assert place.train(place.split(), "clean") == 0
    return place.folder / "clean"


@pytest.mark.slow
@pytest.mark.training
@pytest.mark.timeout(900)
class TestLeakyBundle:
    def test_every_line_of_training_is_marked(self, leaky):
        log = (leaky.parent / "leaky.log").read_text(encoding="utf-8")
        lines = [line for line in log.splitlines() if re.search("pictures|loss|logits differ", line)]
        assert len(lines) >= 5 and all(line.startswith("LEAKY ") for line in lines)

    def test_the_bundle_says_so(self, leaky):
        content = json.loads((leaky / "bundle.json").read_text())
        assert content["provenance"]["leaky"] is True and content["provenance"]["split"]["by"] == "picture"
        assert content["thresholds"]["fitted_on"].startswith("LEAKY")
        assert membership.load(leaky / membership.FILE).leaky

    def test_evaluation_refuses_its_own_test_part(self, place, leaky, capfd):
        assert place.evaluate(leaky, "--split", "test") == 1
        said = " ".join(capfd.readouterr().err.split())
        assert "bundle mini was fitted on" in said and "same lesion" in said and "--allow-leak" in said

    def test_every_figure_that_is_allowed_is_marked(self, place, leaky, tmp_path, capfd):
        figures = tmp_path / "figures.json"
        assert place.evaluate(leaky, "--split", "test", "--allow-leak", "--json", str(figures)) == 0
        lines = capfd.readouterr().out.splitlines()
        rows = [line for line in lines if FIGURE.search(line)]
        assert len(rows) > 20 and all("LEAKY" in line for line in rows)
        report = json.loads(figures.read_text())
        assert report["leaky"] is True and report["leaks"]["by_kind"]["same lesion"] > 0
        assert report["pictures"] == 12

    def test_a_foreign_exam_is_marked_too(self, leaky, tmp_path, capfd):
        """Nothing of it was fitted on, but the bundle's thresholds and choices come from a leaking split."""
        root = miniature.isic2018(tmp_path / "ISIC2018", "Test", {"ISIC_7": "NV", "ISIC_8": "MEL"}, paint=_paint8)
        command = ["evaluate", "--bundle", str(leaky), "--dataset", "isic2018", "--root", str(root), "--split", "test"]
        assert run(command) == 0
        assert "LEAKY isic2018 test: 2 pictures" in " ".join(capfd.readouterr().out.split())

    def test_the_card_marks_every_figure(self, place, leaky, tmp_path, capfd):
        data = _exams(tmp_path / "exams", place.data / "HAM10000")
        folder = shutil.copytree(leaky, tmp_path / "leaky")
        # The card's exams want a locked part of MILK10k as well.
        rows = gzip.decompress((folder / membership.FILE).read_bytes()).decode()
        locked = [(1, 0), (1, 1), (2, 2), (2, 3)]
        rows += "".join(f"milk10k:IL_{lesion},test,milk10k:ISIC_900000{n},,,1\n" for lesion, n in locked)
        (folder / membership.FILE).write_bytes(gzip.compress(rows.encode()))
        assert run(["card", "--data", str(data), "--bundle", str(folder)]) == 1
        assert "--allow-leak" in capfd.readouterr().err
        assert run(["card", "--data", str(data), "--bundle", str(folder), "--allow-leak"]) == 0
        text = (folder / "card.md").read_text(encoding="utf-8")
        assert text.startswith("# Model card: mini (LEAKY)\n") and "No lesion of any exam was trained" not in text
        figures = [line for line in text.splitlines() if line.startswith("|") and re.search(r"\d\.\d{3}", line)]
        assert len(figures) > 8 and all("LEAKY" in line for line in figures)
        assert all(cell.startswith("LEAKY") for line in figures for cell in re.findall(r"[^|]*\d\.\d{3}[^|]*", line)
                   for cell in [cell.strip()])
        assert "LEAKY Medium risk starts" in text


@pytest.mark.training
@pytest.mark.timeout(900)
class TestCleanBundle:
    def test_it_was_parted_by_the_file(self, place, clean):
        content = json.loads((clean / "bundle.json").read_text())
        made = content["provenance"]
        assert made["leaky"] is False and made["split"]["scheme"] == "50/25/25" and made["split"]["leaky"] is False
        assert made["pictures"] == {"train": 24, "calibration": 12, "test": 12}
        assert made["split"]["manifest"] == manifest.read(place.manifest).hash
        known = membership.load(clean / membership.FILE)
        assert known.fine and len(known.pictures) == 48

    def test_its_locked_part_is_scored_without_a_mark(self, place, clean, capfd):
        assert place.evaluate(clean, "--split", "test") == 0
        assert "LEAK" not in capfd.readouterr().out

    def test_a_copy_under_another_name_is_refused(self, place, clean, tmp_path, capfd):
        """ISIC 2018 holds a picture whose bytes were trained on, and one whose archive id was."""
        known = membership.load(clean / membership.FILE).pictures
        trained = next(name.split(":")[1] for name, part in known.items() if part == "train")
        (source,) = (place.data / "HAM10000").glob(f"*/{trained}.jpg")
        root = miniature.isic2018(tmp_path / "ISIC2018", "Test", {"ISIC_7": "NV", trained: "MEL"}, paint=_paint8)
        command = ["evaluate", "--bundle", str(clean), "--dataset", "isic2018", "--root", str(root), "--split", "test"]
        assert run(command) == 1
        assert "same picture 1" in " ".join(capfd.readouterr().err.split())
        bytes_only = miniature.isic2018(tmp_path / "other", "Test", {"ISIC_7": "NV", "ISIC_8": "MEL"}, paint=_paint8)
        command[6] = str(bytes_only)
        assert run(command) == 0
        shutil.copy(source, bytes_only / "ISIC2018_Task3_Test_Input" / "ISIC_8.jpg")
        capfd.readouterr()
        assert run(command) == 1
        assert "same picture 1" in " ".join(capfd.readouterr().err.split())

    def test_links_are_heard(self, clean, tmp_path, capfd):
        known = membership.load(clean / membership.FILE).pictures
        trained = next(name.split(":")[1] for name, part in known.items() if part == "train")
        group = f"ham10000:HAM_{int(trained[-7:]) // 2:07}"
        root = miniature.isic2018(tmp_path / "ISIC2018", "Test", {"ISIC_7": "NV", "ISIC_8": "MEL"}, paint=_paint8)
        (tmp_path / "pairs.csv").write_text(
            "first_dataset,first_picture,first_group,second_dataset,second_picture,second_group\n"
            f"isic2018,ISIC_8,isic2018:ISIC_8,ham10000,{trained},{group}\n")
        command = ["evaluate", "--bundle", str(clean), "--dataset", "isic2018", "--root", str(root), "--split", "test"]
        assert run(command) == 0
        assert run([*command, "--links", str(tmp_path / "pairs.csv")]) == 1
        assert "near duplicate 1" in " ".join(capfd.readouterr().err.split())


def _paint8(path: Path) -> None:
    miniature.save(path, draw(seed=5000 + sum(path.stem.encode()), spot=(90, 50, 40)))


def _exams(data: Path, ham: Path) -> Path:
    data.mkdir()
    shutil.copytree(ham, data / "HAM10000")
    miniature.milk10k(data / "MILK10k", {"IL_1": "MEL", "IL_2": "NV"}, paint=_paint8)
    miniature.isic2018(data / "ISIC2018", "Validation", {"ISIC_1": "NV", "ISIC_2": "MEL"}, paint=_paint8)
    miniature.isic2017(data / "ISIC2017", "Test_v2", {"ISIC_3": (0, 0), "ISIC_4": (1, 0)}, paint=_paint8)
    return data


# HAM10000 itself


@pytest.fixture(scope="module")
def ham():
    root = ROOT / sources.find("ham10000").folder
    if not root.is_dir():
        pytest.skip("HAM10000 is not at hand: point MACULE_DATA at the folder that holds it")
    return sources.load("ham10000", root)


def share(records, *, by, seed, scheme="80/20", pairs=links.NONE):
    """(share of test pictures, of test melanomas) with a sibling in training, and the parts."""
    kin = kinship.of_records(records, pairs)
    unknown = [None] * len(kin)
    homes = schemes.assign(Rows(kin, unknown, unknown), schemes.parse(scheme), by=by, seed=seed)
    parts = {part: kin.take([n for n, home in enumerate(homes) if home == part]) for part in ("train", "test")}
    (leak,) = guard.check(parts).leaks
    placed = dict(zip(kin.names, homes, strict=True))
    return leak.leaking / leak.pictures, leak.leaking_melanomas / leak.melanomas, placed


def test_a_split_of_ham10000_by_picture_leaks(ham):
    """MISSION: a random split puts a sibling of 39 % of test pictures and 68 % of test melanomas into training."""
    found = np.array([share(ham, by=By.PICTURE, seed=seed)[:2] for seed in range(10)])
    assert found.mean(axis=0) == pytest.approx([0.39, 0.68], abs=0.02)
    assert (np.abs(found - [0.39, 0.68]) < 0.07).all()


@pytest.mark.parametrize("scheme", ["80/20", "70/20/10", "70/15/15"])
def test_ours_does_not_leak(ham, scheme):
    for seed in range(3):
        assert share(ham, by=By.PATIENT, seed=seed, scheme=scheme)[:2] == (0, 0)


def test_each_class_of_ham10000_has_its_share(ham):
    kin = kinship.of_records(ham)
    unknown = [None] * len(kin)
    scheme = schemes.parse("70/15/15")
    homes = np.array(schemes.assign(Rows(kin, unknown, unknown), scheme))
    labels = np.array(kin.labels)
    for part, wanted in scheme.shares.items():
        for label in set(kin.labels):
            assert (homes[labels == label] == part).mean() == pytest.approx(wanted, abs=0.02), (part, label)


def test_the_known_pair_stays_on_one_side(ham, tmp_path):
    """ISIC_0025226 and ISIC_0030074 are one photograph under two lesion ids: without the link, seeds part them."""
    known = [next(r for r in ham if r.picture_id == name) for name in ("ISIC_0025226", "ISIC_0030074")]
    assert known[0].group != known[1].group
    header = "first_dataset,first_picture,first_group,second_dataset,second_picture,second_group"
    row = ",".join(f"ham10000,{record.picture_id},{record.group}" for record in known)
    (tmp_path / "pairs.csv").write_text(f"{header}\n{row}\n")
    pairs = links.read(tmp_path / "pairs.csv")
    names = [f"ham10000:{record.picture_id}" for record in known]
    apart = {seed for seed in range(12) if len({share(ham, by=By.PATIENT, seed=seed)[2][name] for name in names}) == 2}
    assert apart
    assert all(len({share(ham, by=By.PATIENT, seed=seed, pairs=pairs)[2][name] for name in names}) == 1
               for seed in range(12))
    homes = share(ham, by=By.PATIENT, seed=min(apart))[2]
    kin = kinship.of_records(ham, pairs)
    places = {part: [n for n, name in enumerate(kin.names) if homes[name] == part] for part in ("train", "test")}
    (leak,) = guard.check({part: kin.take(found) for part, found in places.items()}).leaks
    assert leak.by_kind[Kind.LINK] > 0 and leak.by_kind[Kind.LESION] == 0
    assert {leak.example.picture, leak.example.sibling} <= {
        f"{record.dataset}:{record.picture_id}" for record in ham if record.group in {known[0].group, known[1].group}}
