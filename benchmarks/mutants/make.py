"""Make the mutants of a stage and print their names as JSON; run in the stage, as ``make.py LINES``.

``LINES`` is JSON: by file as it is imported, the lines that may be changed; ``null`` for all lines of all
files. This is what ``mutmut run`` does first. It has no option for lines, but one for lines that tests cover:
ours go in there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mutmut.__main__ import create_mutants
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths

MUTANTS = Path("mutants")


def main(lines: dict[str, list[int]] | None) -> None:
    """Make them; mutmut prints too, so the last line is the names."""
    set_mutant_under_test("mutant_generation")
    MUTANTS.mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    if lines is not None:
        state()._covered_lines = {str((MUTANTS / path).absolute()): set(one) for path, one in lines.items()}
    create_mutants(max_children=2)
    metas = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(MUTANTS.rglob("*.py.meta"))]
    print(json.dumps([name for meta in metas for name in meta["exit_code_by_key"]]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
