"""Counts of segments and words, and warnings, of an input."""

from __future__ import annotations

from dataclasses import dataclass, field

from tformer.cli import console


@dataclass(frozen=True)
class Remark:
    """A warning about a segment."""

    place: str
    """The number of a line, or the beginning of a segment of a document."""
    text: str


@dataclass
class Tally:
    """Counts for one input, or for several that are one output."""

    warnings: console.Warnings = field(default_factory=console.Warnings)
    """Warnings of the whole call, of which only the first are printed one by one."""
    keeps_remarks: bool = False
    """True if all warnings are kept, to be told of in JSON."""
    segments: int = 0
    words: int = 0
    """Number of words of the source, as white space separates them."""
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
