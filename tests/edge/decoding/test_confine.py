"""The bounds that a process sets itself, as the kernel has them afterwards."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.image.film import EVERY_FILM

GIB = 1 << 30


def in_a_process(script: str) -> Any:
    """What a script of its own process prints, as JSON."""
    head = (
        "import json, resource, time\nfrom pathlib import Path\nfrom sranogan_edge.decoding import confine\n"
    )
    done = subprocess.run([sys.executable, "-c", head + script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_film_has_so_many_seconds_more() -> None:
    """What the process used before counts: of 0.2 to 1.1 s and 4.9 s more it is ended at 7, and not at 6."""
    script = """
while time.process_time() < 0.2:
    pass
confine.bound_cpu(4.9)
print(json.dumps(resource.getrlimit(resource.RLIMIT_CPU)))
"""
    soft, hard = in_a_process(script)
    assert soft == 7
    assert hard == -1 or hard >= soft


def test_memory_is_bounded_beside_what_is_taken() -> None:
    """The bound is what is taken now and so much more; a lower one that is set already stays."""
    script = f"""
now = confine.bound_memory({GIB})
first = resource.getrlimit(resource.RLIMIT_AS)[0]
resource.setrlimit(resource.RLIMIT_AS, ({4 * GIB}, {4 * GIB}))
confine.bound_memory({64 * GIB})
print(json.dumps([now, first, resource.getrlimit(resource.RLIMIT_AS)]))
"""
    now, first, last = in_a_process(script)
    assert first == now + GIB
    assert last == [4 * GIB, 4 * GIB]
    assert now % resource.getpagesize() == 0
    assert now > 1 << 20


def test_it_goes_first_and_leaves_no_core() -> None:
    """The kernel ends it before the runner where memory runs out; an image's bytes are left in no dump."""
    script = """
soft = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (soft, soft))
confine.go_first()
turn = Path("/proc/self/oom_score_adj").read_text().strip()
print(json.dumps([resource.getrlimit(resource.RLIMIT_CORE)[0], turn]))
"""
    assert in_a_process(script) == [0, "500"]


def test_the_decoder_s_process_is_bounded(tmp_path: Path) -> None:
    """Time of a core, memory, core dumps, its turn where memory lacks; no Ctrl-C reaches it."""
    Image.new("L", (32, 32), 7).save(tmp_path / "7.png")
    decoder = Decoder(DecodingSettings(limit_s=20.0, memory_bytes=GIB))
    try:
        decoder.read(tmp_path / "7.png", Wanted("7.png", EVERY_FILM, 10_000)).or_raise()
        process = Path(f"/proc/{decoder.pid}")
        limits = {
            one[:25].strip(): one[25:].split()[0] for one in (process / "limits").read_text().splitlines()
        }
        assert 20 <= int(limits["Max cpu time"]) <= 60
        assert GIB < int(limits["Max address space"]) < 64 * GIB
        assert limits["Max core file size"] == "0"
        assert (process / "oom_score_adj").read_text().strip() == "500"
        assert int((process / "stat").read_text().rpartition(")")[2].split()[3]) == decoder.pid  # its session
    finally:
        decoder.close()
