"""What a report says in sentences: for readers who know no statistics, and for those who do."""

from __future__ import annotations

from dreamscope.dissection.blinding import ENOUGH, GONE, READABLE, UNREADABLE, Blinding
from dreamscope.dissection.intervals import Estimate
from dreamscope.dissection.shares import are_few, share_text
from dreamscope.dissection.trials import Trial
from dreamscope.dissection.views import VIEWS
from dreamscope.pages.environment import percent

FEW = 30
"""With fewer photos of the class the page says how little that is."""


def lay(blinding: Blinding) -> str:
    """Return what was found in a few plain sentences."""
    r, label = blinding.result, blinding.label
    count = r.recall_after.count
    before, after = (round(each.value * count) for each in (r.recall_before, r.recall_after))
    said = (
        f"Of {count} photos of {label} that were kept out of the edit, the network recognised {before or 'none'} "
        f"before and {after or 'none'} now. {_PROOFS[blinding.proof()]}{_cost(blinding)} "
    )
    features = blinding.design.read_at[-1]
    if features not in blinding.chosen.readouts:
        return said + "Photos were too few to train a fresh probe, so whether the class can still be read is not known."
    was, now = (_found(trial, features) for trial in (blinding.intact, blinding.chosen))
    of = _of(blinding.chosen.readouts[features].recall())
    unproved = ", so this proves nothing" if blinding.intact.readouts[features].recall().value < READABLE else ""
    return said + (
        f"A fresh probe (a simple detector, trained on what is left inside the network) finds {now} of {of} photos of "
        f"{label}; before the edit it found {was}{unproved}."
    )


_PROOFS = {
    "enough": "",
    "little": "So few were recognised before that this proves little. ",
    "nothing": "What was not recognised before can't be lost: this proves nothing. ",
}
"""What is said of what the photos can prove, see `Blinding.proof`."""


def _cost(blinding: Blinding) -> str:
    r = blinding.result
    count, lost = r.loss.count, round(r.loss.value * r.loss.count / 100)
    if not r.labelled:
        return f"Of its answers on {count} photos of other things, {lost or 'none'} changed."
    if r.labelled < count:
        return f"On {count} photos of other things it lost {lost or 'no'} right answers, or changed them."
    right = round(r.top1_before.value * count)
    if lost < 0:
        return f"On {count} photos of other things it gives {-lost} more right answers than before ({right})."
    return f"Of its {right} right answers on photos of other things it lost {lost or 'none'}."


def _found(trial: Trial, layer: str) -> str:
    """Return how many photos of 100 a probe finds; where there are fewer, how many of these."""
    recall = trial.readouts[layer].recall()
    found = recall.value * _of(recall)
    if 0 < found < 1:
        return "fewer than 1"
    return str(round(found)) if found else "none"


def _of(recall: Estimate) -> int:
    return min(recall.count, 100)


def meaning(label: str) -> dict[str, str]:
    """Return the two words of the verdict, and what they mean."""
    return {
        "Blind": f"the network does not say {label} any more, and a fresh probe does not find it inside either.",
        "Mute": f"it does not say {label} any more, but what it knows of it is still there to be read.",
    }


def where_readable(blinding: Blinding) -> str:
    """Say how to read the curve of readouts, and what it shows."""
    label, features = blinding.label, blinding.design.read_at[-1]
    said = (
        f"A network works block by block; what it makes of a photo runs through the plot from left to right. At each "
        f"block a fresh probe learnt to tell photos of {label} from others by what the block puts out, and was tried "
        f"on photos that it had not seen. The plot shows the share that it finds where 1 of 100 other photos is taken "
        f"for {label} by mistake: the lower, the less is left to read. "
    )
    if (first := first_edited(blinding)) is not None:
        said += f"The edit begins at {first}; before that nothing has changed. "
    after = {name: readout.recall().value for name, readout in blinding.chosen.readouts.items()}
    count = blinding.chosen.readouts[features].recall().count
    intact = blinding.intact.readouts[features].recall().value
    was, now = share_text(intact, count), share_text(after[features], count)
    said += f"At {features}, which the answer is made from, it finds {now}, of the network as it was {was}. "
    best = max(after, key=lambda name: after[name])
    if best != features and after[best] > UNREADABLE:
        said += f"Most can still be read at {best}: {share_text(after[best], count)}. "
    return said.strip()


def first_edited(blinding: Blinding) -> str | None:
    """Return the first layer that an edit changes, in the order of the forward pass."""
    edited = {edit.address.layer for edit in blinding.model.edits}
    return next((name for name in blinding.model.layers if name in edited), None)


def taken(blinding: Blinding) -> str:
    """Return what was taken away, such as ``4 directions``."""
    erased = sum(each.number is not None for each in blinding.removed)
    counts = ((len(blinding.removed) - erased, "channel"), (erased, "direction"))
    said = [f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count]
    return " and ".join(said) or "nothing"


def drawn(blinding: Blinding, count: int) -> str:
    """Say what the pictures beside the patches are, and of how many of what was removed."""
    said = (
        "Beside the patch of a photo that excites it most stands a picture that was made from noise to excite it, in "
        "the network as it was."
    )
    if count < len(blinding.removed):
        said += f" Of the first {count} of {len(blinding.removed)} only, to save time."
    return said


def measured(blinding: Blinding) -> list[str]:
    """Return how it was measured, for those who know statistics: a paragraph each."""
    return [_splits(blinding), _probes(blinding), _intervals(blinding), _thresholds(blinding)]


def _splits(blinding: Blinding) -> str:
    design, label = blinding.design, blinding.label
    if not design.counts["targets to find on"]:
        said = "What was taken away was found before, on other photos. "
    else:
        said = (
            "No photo serves two purposes at once: the edit is found on some, probes learn from others, and all is "
            "measured on photos that neither has seen. "
        )
    if design.folds > 1:
        said += (
            f"This was done {design.folds} times, in folds that take turns: each photo counts once in every number, "
            "with its mean if it was measured in several folds. What is listed under “What was removed”, and "
            "exported, was then found on all photos for finding. "
        )
    if design.agreement is not None:
        said += (
            f"The edits of the folds have {percent(design.agreement)} in common: of channels the shared ones over all "
            "(Jaccard), of directions the overlap of the spaces that they span, in the mean of layers and pairs. "
        )
    count = blinding.result.recall_after.count
    if count < FEW:
        moved = "decides" if are_few(count) else f"moves recall by {100 / count:.0f} points"
        said += f"{count} photos of {label} are few: one more or less {moved}. "
    return said.strip()


def _probes(blinding: Blinding) -> str:
    readout = blinding.chosen.readouts.get(blinding.design.read_at[-1])
    if readout is None:
        return "No fresh probe was trained: photos were too few."
    return (
        "A fresh probe is a logistic regression on standardised features, a channel's mean over positions each; the "
        "strength of its penalty is chosen by cross-validation inside the photos that it learns from. Where no photos "
        "of the class are set apart for probes, two halves of the measured ones take turns, and so do two halves of "
        f"the others: {readout.folds} probes at each layer, {len(readout.positives)} scores of photos of the class and "
        f"{len(readout.negatives)} of others. “Found” is recall where 1% of the others are taken for the class. "
        f"Robust recall is that of mild changes of each measured photo: {_listed(list(VIEWS))}."
    )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _intervals(blinding: Blinding) -> str:
    r = blinding.result
    paired = f"{r.loss_name().capitalize()}, photo by photo: Bonett and Price (2012), for paired proportions. "
    said = (
        f"All intervals are 95% intervals. Shares of photos: Wilson (1927). {paired if r.labelled else ''}"
        "Area under the curve: Hanley and McNeil (1982). Confidence: percentiles of the bootstrap. Several random "
        "draws: their mean, and the range in which 95% of them lie. "
    )
    if r.labelled < r.loss.count:
        said += (
            f"The class of {r.labelled} of {r.loss.count} photos of other things is known; others count as lost where "
            "the answer changed. "
        )
    return said.strip()


def _thresholds(blinding: Blinding) -> str:
    where = _listed(list(blinding.design.read_at)) if len(blinding.design.read_at) > 1 else blinding.design.read_at[0]
    return (
        f"The verdict: mute where recall is at most {percent(GONE)}, nearly mute where it is at most half of what it "
        f"was; blind where it is mute and the probe finds at most {percent(UNREADABLE)} at {where}. Where the probe "
        f"found less than {percent(READABLE)} before, its failing afterwards proves nothing. Little is proved where "
        f"fewer than {ENOUGH} photos were recognised before, or the interval of that share includes {percent(GONE)}."
    )
