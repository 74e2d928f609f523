"""Ways to ask a network where it looked. Each gives the evidence for one class: float32, (h, w) or (S, S), with sign
where the method has one. Needs the extra `explain` for all but `cam`.

The gradient methods explain the logit; those that change the picture explain the calibrated probability.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from macule.analysis import preprocess
from macule.analysis.calibration import Calibration
from macule.errors import MissingExtra, UsageError
from macule.evaluation import heatmaps
from macule.evaluation.heatmaps import Ask, Case, Pixels
from macule.evaluation.metrics import Floats
from macule.training._torchvision_ops import define_missing
from macule.training.from_bundle import BundleNetwork

#: Of the path from the blurred picture to the picture itself.
PATH_STEPS = 16
#: Pieces of alike colour that LIME and SHAP switch on and off, and how many mixtures of them are asked about.
SEGMENTS, MIXTURES = 40, 120
#: Side of the square that is hidden, as a share of the picture's; it moves by half of it.
HIDDEN = 1 / 7
_AT_ONCE = 16
#: Of the smoothing of single pixels' gradients, as a share of the side.
SMOOTH = 0.02


@dataclass(frozen=True)
class Subject:
    """What is explained: one class of one picture. index: of the class. views: that the served map is averaged over.

    network: for gradients. ask: the same network in ONNX Runtime, three times as fast, for all that needs none.
    """

    network: BundleNetwork = field(repr=False)
    ask: Ask = field(repr=False)
    case: Case
    index: int
    how: Calibration
    views: int = 1
    seed: int = 0

    @property
    def picture(self) -> Tensor:
        """float32, (1, 3, S, S)."""
        return torch.from_numpy(self.case.tensor)[None]

    @property
    def blurred(self) -> Tensor:
        """float32, (1, 3, S, S): the picture without structure."""
        return torch.from_numpy(heatmaps.fill(self.case.tensor))[None]

    def logits(self, images: Tensor) -> Tensor:
        """(N, 11)."""
        patients = torch.from_numpy(self.case.patient)[None].expand(len(images), -1)
        found: Tensor = self.network(images, patients)[0]
        return found

    def shares(self, images: Pixels) -> Floats:
        """Calibrated probabilities, float64 (N, 11)."""
        logits = self.ask(images, np.repeat(self.case.patient[None], len(images), axis=0))
        return self.how.shares(logits.astype(np.float64))

    def share(self, images: Tensor) -> Tensor:
        """Of the class explained, (N,)."""
        return torch.from_numpy(self.shares(images.detach().numpy())[:, self.index]).float()


Method = Callable[[Subject], Pixels]


def cam(subject: Subject) -> Pixels:
    """The graph's own map (Zhou et al. 2016), averaged over the views as it is served."""
    images = np.ascontiguousarray(preprocess.make_views(subject.case.tensor, subject.views))
    patients = np.repeat(subject.case.patient[None], subject.views, axis=0)
    with torch.no_grad():
        found = subject.network(torch.from_numpy(images), torch.from_numpy(patients))[2][:, subject.index].numpy()
    upright = [preprocess.unview(view, number) for number, view in enumerate(found)]
    return np.asarray(np.mean(upright, axis=0), np.float32)


class _OfPictures(nn.Module):
    """A network of pictures alone, for libraries that know nothing of patients."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.network = subject.network
        self.subject = subject

    def forward(self, images: Tensor) -> Tensor:
        return self.subject.logits(images)


def _gradient_map(subject: Subject, kind: str) -> Pixels:
    define_missing()
    library = _need("pytorch_grad_cam")

    if not subject.network.features:
        raise UsageError("this bundle's graph does not say which features it pools, which Grad-CAM needs: "
                         "use --method cam or integrated-gradients.")
    target = _need("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget(subject.index)
    with getattr(library, kind)(model=_OfPictures(subject), target_layers=list(subject.network.features)) as explain:
        images = subject.picture.clone().requires_grad_()  # the weights learn nothing, so the picture must carry it
        found = explain(input_tensor=images, targets=[target])
    return np.asarray(found[0], np.float32)


def grad_cam(subject: Subject) -> Pixels:
    """Selvaraju et al. 2017, by the grad-cam package; what speaks against the class is cut off."""
    return _gradient_map(subject, "GradCAM")


def grad_cam_plus_plus(subject: Subject) -> Pixels:
    """Chattopadhyay et al. 2018, by the grad-cam package."""
    return _gradient_map(subject, "GradCAMPlusPlus")


def integrated_gradients(subject: Subject) -> Pixels:
    """Sundararajan et al. 2017, by captum, from the blurred picture; channels added, smoothed."""
    captum = _need("captum.attr")
    found = captum.IntegratedGradients(subject.logits).attribute(
        subject.picture, baselines=subject.blurred, target=subject.index, n_steps=PATH_STEPS,
        internal_batch_size=_AT_ONCE)
    return _flat(found, smooth=SMOOTH)


def occlusion(subject: Subject) -> Pixels:
    """Zeiler & Fergus 2014, by captum: the fall of the probability where a square is blurred."""
    captum = _need("captum.attr")
    side = max(2, round(HIDDEN * subject.case.tensor.shape[-1]))
    found = captum.Occlusion(subject.share).attribute(
        subject.picture, sliding_window_shapes=(3, side, side), strides=(3, side // 2, side // 2),
        baselines=subject.blurred, perturbations_per_eval=_AT_ONCE)
    return _flat(found)


def shap(subject: Subject) -> Pixels:
    """Kernel SHAP (Lundberg & Lee 2017) over pieces of the picture, by captum; a piece that is off is blurred."""
    captum = _need("captum.attr")
    pieces = torch.from_numpy(_pieces(subject))[None, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(subject.seed)
        found = captum.KernelShap(subject.share).attribute(
            subject.picture, baselines=subject.blurred, feature_mask=pieces.expand_as(subject.picture),
            n_samples=MIXTURES, perturbations_per_eval=_AT_ONCE)
    return np.asarray(found[0].mean(dim=0), np.float32)


def lime(subject: Subject) -> Pixels:
    """Ribeiro et al. 2016, by the lime package: a linear model of pieces that are on or of their mean colour."""
    library = _need("lime.lime_image")
    pieces = _pieces(subject)

    def answer(images: NDArray[Any]) -> NDArray[Any]:
        return subject.shares(np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32))

    explainer = library.LimeImageExplainer(random_state=subject.seed)
    with contextlib.redirect_stderr(io.StringIO()):  # it draws a bar for each picture, with no way to say no
        found = explainer.explain_instance(
            subject.case.tensor.transpose(1, 2, 0).astype(np.float64), answer, labels=(subject.index,),
            top_labels=None, num_features=SEGMENTS, num_samples=MIXTURES, batch_size=_AT_ONCE,
            segmentation_fn=lambda _: pieces)
    weights = np.zeros(int(pieces.max()) + 1, np.float32)
    for piece, weight in found.local_exp[subject.index]:
        weights[piece] = weight
    return np.asarray(weights[pieces], np.float32)


#: Every method by the name that the command line knows it by.
METHODS: dict[str, Method] = {
    "cam": cam, "grad-cam": grad_cam, "grad-cam++": grad_cam_plus_plus, "integrated-gradients": integrated_gradients,
    "shap": shap, "lime": lime, "occlusion": occlusion,
}


_PACKAGES = {
    "grad-cam": ("pytorch_grad_cam",), "grad-cam++": ("pytorch_grad_cam",), "integrated-gradients": ("captum.attr",),
    "shap": ("captum.attr", "skimage.segmentation"), "lime": ("lime.lime_image", "skimage.segmentation"),
    "occlusion": ("captum.attr",),
}


def ready(names: Sequence[str]) -> None:
    """Import what the methods need, so that a long run does not end for want of it, and no picture's time holds it.

    Raises: MissingExtra.
    """
    define_missing()  # grad-cam imports torchvision
    for name in names:
        for package in _PACKAGES.get(name, ()):
            _need(package)


def _pieces(subject: Subject) -> NDArray[np.int64]:
    """About SEGMENTS pieces of alike colour (SLIC, Achanta et al. 2012). int64, (S, S), from 0."""
    segmentation = _need("skimage.segmentation")
    tensor = subject.case.tensor
    low, high = tensor.min(), tensor.max()
    rgb = (tensor - low) / max(float(high - low), 1e-6)
    found = segmentation.slic(rgb.transpose(1, 2, 0), n_segments=SEGMENTS, compactness=10, start_label=0)
    return np.asarray(found, np.int64)


def _flat(attribution: Tensor, *, smooth: float = 0.0) -> Pixels:
    """The channels added. attribution: (1, 3, S, S)."""
    flat = np.asarray(attribution.detach()[0].sum(dim=0).numpy(), np.float32)
    return np.asarray(cv2.GaussianBlur(flat, (0, 0), smooth * len(flat)), np.float32) if smooth else flat


def _need(module: str) -> Any:
    """Raises: MissingExtra if the package is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(f"{module.split('.', maxsplit=1)[0]} is not installed ({error}): "
                           "pip install -c constraints.txt 'macule[explain]'.") from error
