"""``python -m client.demo``, which is ``make demo`` once the environment exists."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.own_engines]

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0
# Somebody may have taken networks out of a checkout; the demonstration then does without.
SHIPS_CLASSIFIER = (ROOT / "models" / "weights" / "classifier_translocation.json").is_file()
SHIPS_FILTER = (ROOT / "models" / "weights" / "filter_translocation.json").is_file()
SHIPS_BRIDGE = (ROOT / "models" / "weights" / "generator_bridge.json").is_file()


def start(data_dir: Path) -> subprocess.Popen[str]:
    """Start a demonstration as a shell would."""
    return subprocess.Popen(
        [sys.executable, "-m", "client.demo", "--data-dir", str(data_dir)],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def output_of(demo: subprocess.Popen[str]) -> str:
    """What a demonstration said until its end; one that takes too long is stopped, and nothing stays."""
    try:
        return demo.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        demo.terminate()
        demo.communicate(timeout=PATIENCE_S)
        raise


def running_below(data_dir: Path) -> list[str]:
    """Processes that work on a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        command, environment = process.info["cmdline"] or [], process.info["environ"] or {}
        ours = str(data_dir) in " ".join(command) or environment.get("DATA_DIR", "").startswith(str(data_dir))
        if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(" ".join(command))
    return found


class TestDemo:
    def test_shows_chromosomes_twice_in_a_row(self, tmp_path: Path) -> None:
        """Table, page and pictures are there both times, and nothing is left running."""
        data_dir = tmp_path / "demo data"
        first = output_of(start(data_dir))
        again = start(data_dir)
        second = output_of(again)
        page = (data_dir / "report" / "index.html").read_text(encoding="utf-8")

        assert again.returncode == 0, second
        assert all(name in first and name in second for name in ("A230150", "P0704XY", "V1801XY", "V280162"))
        assert "12 files were already stored" in page
        assert len(list((data_dir / "report" / "overlays").iterdir())) == 4
        assert len(list((data_dir / "report" / "crops").iterdir())) > 150
        assert ("flagged as possible translocations" in page) is SHIPS_CLASSIFIER
        assert ("Nothing was classified." in page) is not SHIPS_CLASSIFIER
        assert ("not a medical device" in page.lower()) is SHIPS_CLASSIFIER
        assert "12 synthetic translocations by painted/1: no findings" in second
        assert ("8 synthetic translocations by bridge/1: no findings" in second) is SHIPS_BRIDGE
        assert "None of these chromosomes exists." in page
        assert ("Filtering them with translocation/1" in second) is SHIPS_FILTER
        assert (f"with a slider: {data_dir / 'report' / 'map.html'}" in second) is SHIPS_FILTER
        assert (data_dir / "report" / "map.html").is_file() is SHIPS_FILTER
        assert ("of the chromosomes and" in second) is SHIPS_FILTER
        assert (data_dir / "report" / "synthetic" / "generator_1.png").is_file()
        assert "http://" not in page
        assert running_below(data_dir) == []

    def test_ctrl_c_stops_everything(self, tmp_path: Path) -> None:
        """However early it comes."""
        data_dir = tmp_path / "demo"
        demo = start(data_dir)
        deadline = time.monotonic() + PATIENCE_S
        while not running_below(data_dir / "postgres") and not (data_dir / "service.log").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)

        demo.send_signal(signal.SIGINT)
        output = output_of(demo)

        assert demo.returncode == 130, output
        assert running_below(data_dir) == []
