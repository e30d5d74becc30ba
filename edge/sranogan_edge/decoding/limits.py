"""What decoding one film or file may take."""

from __future__ import annotations

from dataclasses import dataclass

from sranogan_edge.option import Options, option

__all__ = ["DecodingSettings"]


@dataclass(frozen=True)
class DecodingSettings(Options):
    """The process in which films and files are decoded: what one of them may take before it is refused.

    Attributes:
        limit_s: seconds, of the clock and of a core.
        memory_bytes: memory beside that of the idle process. 64 megapixels of 16-bit colour with alpha take
            1.0 GB.
    """

    limit_s: float = option(30.0, above=0)
    memory_bytes: int = option(1_342_177_280, least=16_777_216)
