"""``sranogan-score --check-config`` and settings files that are wrong: all that is to be told, in one go."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner, Result

from sranogan_edge.commands.score import app
from sranogan_edge.errors import ExitCode


def score(*arguments: object) -> Result:
    """Run the command inside this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_what_is_right_in_a_bad_file_is_looked_at(tmp_path: Path) -> None:
    """Errors of the settings, and of what they name, are told in one go."""
    (tmp_path / "s.toml").write_text(
        'bundle = "none.sranogan"\nout = "out"\n[scoring]\nthreads = "four"\n[retention]\nmax_count = -5\n'
        '[[feeds]]\nuri = "watch:none"\n[[feeds]]\nuri = "watcg:in"\n[[feeds]]\nuri = "watch:none"\n'
    )
    done = score("--config", tmp_path / "s.toml", "--check-config")
    assert done.exit_code == ExitCode.USAGE
    for told in (
        f"error: bundle {tmp_path}/none.sranogan: ",
        f"error: feed watch:{tmp_path}/none: no such folder",
        "s.toml:4: scoring.threads = 'four': must be a whole number.",
        "s.toml:6: retention.max_count = -5: max_count must be 0 or more; received -5.",
        "s.toml:10: feeds[1].uri = 'watcg:in': no feed has the scheme",
    ):
        assert told in done.stdout
    assert re.search(r"s\.toml:12: feeds\[2\]\.uri = 'watch:.*: is named twice\.", done.stdout)
    assert "retention: retention" not in done.stdout


def test_check_config_of_files_has_no_spool(tmp_path: Path) -> None:
    """A folder that is scored as it is needs none, and none is shown."""
    done = score("none.sranogan", tmp_path, "--out", tmp_path / "out", "--check-config")
    assert "spool" not in done.stdout
    assert "spool" in score("b", tmp_path, "--spool", tmp_path / "spool", "--check-config").stdout


def test_check_config_of_what_would_not_run(tmp_path: Path) -> None:
    """A bad part is exit code 2, with its error as one whole line that can be copied."""
    (tmp_path / "s.toml").write_text('bundle = "missing"\nout = "out"\n[[feeds]]\nuri = "watch:none"\n')
    done = score("--config", tmp_path / "s.toml", "--check-config")
    assert done.exit_code == ExitCode.USAGE
    assert (
        f"error: feed watch:{tmp_path}/none: no such folder. Make it, or correct the path.\n" in done.stdout
    )
    assert "2 errors" in done.stdout


def test_a_bad_file_tells_all_at_once(tmp_path: Path) -> None:
    """Each problem of a settings file is a line of the message."""
    (tmp_path / "s.toml").write_text("bundel = 3\n[log]\nformat = 'xml'\n")
    done = score("--config", tmp_path / "s.toml", "--check-config")
    assert done.exit_code == ExitCode.USAGE
    assert f"error: {tmp_path}/s.toml:1: bundel = 3: unknown key" in done.stdout
    assert "4 errors, 0 warnings" in done.stdout
    done = score("--config", tmp_path / "s.toml")
    assert done.exit_code == ExitCode.USAGE
    assert len(done.stderr.splitlines()) == 4
    assert f"{tmp_path}/s.toml:1: bundel = 3: unknown key" in done.stderr
