"""The parts of the state file about the audit in every run; as `parts`, of which these are."""

from typing import Annotated

from msgspec import Meta, field

from .part import Counts, Number, Part, Seconds


class PastRound(Part):
    """A round of the audit that is over."""

    began: Annotated[Seconds, Meta(description="when it began")]
    ended: Annotated[Seconds, Meta(description="when it ended")]
    listed: Annotated[Number, Meta(description="how many projects the index listed")]
    found: Annotated[Number, Meta(description="how many of them were missing, older or broken here")]
    missing: Annotated[Number, Meta(description="how many of these were missing")]


class Audit(Part):
    """How far [the audit in every run](how-to/complete.md#in-every-run) is: its round under way."""

    began: Annotated[Seconds, Meta(description="when the round began, or is to begin")]
    seen: Annotated[Number, Meta(description="how many projects have been compared since, in the order of the index")]
    listed: Annotated[Number, Meta(description="how many projects the index listed then")]
    found: Annotated[Number, Meta(description="how many of them were missing, older or broken here")] = 0
    missing: Annotated[Number, Meta(description="how many of these were missing")] = 0
    held: Annotated[Counts, Meta(description="missing packages that no run asks for yet, with their serials")] = field(
        default_factory=dict
    )
    is_consented: Annotated[bool, Meta(description="what is missing is synced, however much; by `audit --repair`")] = (
        field(name="consented", default=False)
    )
    is_whole: Annotated[bool, Meta(description="a round has found nothing missing but what may be a loss")] = field(
        name="whole", default=False
    )
    last: Annotated[PastRound | None, Meta(description="the round before this one")] = None
