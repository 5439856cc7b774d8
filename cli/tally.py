"""What a call did to an input: segments and words are counted, warnings said and kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from tformer.cli import talk


@dataclass(frozen=True)
class Remark:
    """A warning about a segment."""

    place: str
    """The number of a line, or the beginning of a segment of a document."""
    text: str


@dataclass
class Tally:
    """What was done to one input, or to several that are one output."""

    warnings: talk.Warnings = field(default_factory=talk.Warnings)
    """Those of the whole call, of which only the first are said one by one."""
    keeps_remarks: bool = False
    """Whether all warnings are kept, to be told of in JSON."""
    segments: int = 0
    words: int = 0
    """Of the source, as white space separates them."""
    num_warnings: int = 0
    remarks: list[Remark] = field(default_factory=list)

    def count(self, text: str) -> None:
        """Count a segment that was translated."""
        self.segments += 1
        self.words += len(text.split())

    def warn(self, where: str, remark: Remark) -> None:
        """Say what a reader of a segment should look at."""
        self.warnings.add(f"{where}: {remark.text}")
        self.remark(remark)

    def remark(self, remark: Remark) -> None:
        """Count, and keep if wanted, what is said elsewhere."""
        self.num_warnings += 1
        if self.keeps_remarks:
            self.remarks.append(remark)
