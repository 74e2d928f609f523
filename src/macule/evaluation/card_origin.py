"""How a bundle came about, for its card: trained, gone on from another, combined of several, or quantised."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from macule.analysis import inventory
from macule.analysis.bundle import Bundle

#: What `macule combine --how` does with its runs.
_COMBINED = {"ensemble": "each network answers, in one graph", "average": "one network with the mean of their weights"}


def details(bundle: Bundle, content: Mapping[str, Any]) -> list[str]:
    """Lines of Markdown on how it was made and what it computes with. content: of bundle.json."""
    made, spec = content["provenance"], bundle.preprocessing
    return [
        *_made(bundle, made),
        f"- **Network**: {_network(content)}; {spec.size} x {spec.size} px, {spec.views} view(s)"
        f"{', prepared by ' + ', '.join(spec.arms) if spec.arms else ''}.",
        *(_numbers(made) if "quantised" in made else
          [f"- **torch against ONNX**: logits differ by at most {made['torch_onnx_difference']:.1e}."]),
    ]


def looks(made: Mapping[str, Any]) -> list[str]:
    """That others were scored on these locked lesions before, as far as the provenance names them."""
    if not made["pictures"]["test"]:
        return []
    lines = []
    if before := _before(made):
        lines.append(
            f"- This is not the first look at the locked lesions: {' and '.join(before)} had the same ones, as far as "
            f"known to {'them' if len(before) > 1 else 'it'}, and {'were' if len(before) > 1 else 'was'} scored on "
            "them before, as was any bundle earlier in that line. What is chosen after such a look may fit these "
            "lesions better than new ones.")
    if "made_of" in made:
        lines.append("- The runs that it was combined of were each scored on locked lesions of their own, and those of "
                     "this bundle may be among them: what was combined may have been chosen by that.")
    return lines


def _before(made: Mapping[str, Any]) -> list[str]:
    quantised = made.get("quantised")
    return [*([_named(quantised)] if quantised else []), *([made["start"]["weights"]] if _start(made) else [])]


def _named(quantised: Mapping[str, Any]) -> str:
    return f"bundle {quantised['of_id']} {quantised['of'][:12]}"


def _start(made: Mapping[str, Any]) -> str | None:
    """The bundle that its recipe goes on from. Of combined runs the recipe is the first one's, and says nothing."""
    start: str | None = None if "made_of" in made else made["recipe"].get("network", {}).get("start")
    return start


def _made(bundle: Bundle, made: Mapping[str, Any]) -> list[str]:
    """What made it, and what made what it was made of."""
    quantised, how = made.get("quantised"), _trained(bundle, made)
    if quantised is None:
        lines = [f"- **Made**: {bundle.created}, {how}."]
    else:
        lines = [f"- **Made**: {bundle.created}, `macule quantise` of {_named(quantised)}, macule "
                 f"{quantised['macule']}.", f"- **Before that**: {_named(quantised)} was made by {how}."]
    return [*lines, *_recalibrated(made), *_onward(made)]


def _recalibrated(made: Mapping[str, Any]) -> list[str]:
    if (how := made.get("recalibrated")) is None:
        return []
    return [f"- **Recalibrated**: {how['at'].partition('T')[0]}, `macule refit --calibration`, macule {how['macule']}: "
            f"{', '.join(how['fitted'])} fitted anew to {how['pictures']:,} pictures of the calibration part."]


def _trained(bundle: Bundle, made: Mapping[str, Any]) -> str:
    recipe, versions = made["recipe"], made["versions"]
    tools = f"macule {versions['macule']}, torch {versions['torch']}"
    if members := made.get("made_of"):
        runs = ", ".join(f"`{each['run']}` (recipe {each['recipe']}, {each['backbone']}, seed {each['seed']})"
                         for each in members["members"])
        return f"`macule combine --how {members['how']}` of {len(members['members'])} runs: {runs}; {tools}"
    # The first recipes had no name of their own.
    return (f"`macule train {recipe.get('name', bundle.id)}` with the settings in bundle.json, seed {recipe['seed']}, "
            f"{tools}")


def _onward(made: Mapping[str, Any]) -> list[str]:
    """A name may be of another bundle by now: the hash tells which one was meant."""
    if _start(made) is None:
        return []
    kept = ", and lesions that it was trained on, calibrated on or had locked stay so" if (
        "inherited_from" in made.get("split", {})) else ""
    which = "That one goes" if "quantised" in made else "Goes"
    return [f"- **{which} on from**: the weights of {made['start']['weights']}{kept}. What those were made of stands "
            "in their own card, and counts for this one too."]


def _network(content: Mapping[str, Any]) -> str:
    made = content["provenance"]
    recipe = made["recipe"]
    if members := made.get("made_of"):
        return (f"{inventory.network(content)} ({_COMBINED.get(members['how'], members['how'])}; start: "
                f"{made['start']['weights']})")
    if "network" not in recipe:  # macule 0.1, whose recipes had no sections
        return (f"EfficientNet-{recipe['backbone'].capitalize()} (ImageNet start; stem and first "
                f"{recipe['frozen_blocks']} stages frozen), pooled linear head plus an additive patient part")
    learns = ", then ".join(trainable for trainable, _ in groupby(phase["trainable"] for phase in recipe["phases"]))
    return (f"{inventory.network(content)} (start: {made['start']['weights']}; trainable: {learns}), patient data: "
            f"{recipe['network']['fusion']}")


def _numbers(made: Mapping[str, Any]) -> list[str]:
    """Of a quantised bundle. How torch and ONNX differed was measured on the network before, and is no fact of it."""
    how = made["quantised"]
    wide = "seven" if how["seven_bits"] else "eight"
    fitted = ["calibration"] if made["recipe"].get("targets", "diagnosis") == "diagnosis" else []
    fitted += ["thresholds", *made.get("refit", {}).get("fitted", [])]
    return [
        f"- **Numbers**: int8. {_converted(how['keep'])} compute with weights of {wide} bits and inputs of eight bits; "
        f"pooling, heads and the class activation map stay in fp32. The ranges of the numbers come from "
        f"{how['pictures']:,} training pictures ({how['method']}, seed {how['seed']})"
        f"{'; biases were corrected' if how['correct'] else ''}.",
        f"- **Fitted anew to its answers**: {', '.join(fitted)}.",
        f"- **Against the network that it was made of**: every exam below was sat by the int8 network; how far single "
        f"answers are from those of {_named(how)} is not kept in the bundle: `benchmarks/quantise.py` measures it.",
    ]


def _converted(keep: list[str] | None) -> str:
    if keep is None:
        return "All convolutions after the first of 1 x 1"
    return "All convolutions" + (f" but those with {' or '.join(f'`{part}`' for part in keep)} in their name" if keep
                                 else "")
