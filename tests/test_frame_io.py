"""TinyDataFrame: CSV, pickle, pandas and Arrow."""

from __future__ import annotations

import csv
import gzip
import math
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import frames

from resource_tracker.errors import FrameError, MissingExtraError
from resource_tracker.frame import TinyDataFrame

NAN = math.nan
GOLDEN = Path(__file__).parent / "golden"


class TestCsv:
    def test_what_is_written(self) -> None:
        """A header line, floats in full, nan as an empty cell."""
        frame = TinyDataFrame({"timestamp": [1741732803.3076203, 2], "memory": [NAN, 0.1 + 0.2]})
        assert frame.to_csv() == "timestamp,memory\n1741732803.3076203,\n2.0,0.30000000000000004\n"

    @given(frames(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    def test_round_trip(self, frame: TinyDataFrame, quoting: int) -> None:
        """Whatever the names and floats, and however quoted, the text reads back exactly."""
        assert TinyDataFrame(csv=frame.to_csv(quoting=quoting)) == frame

    def test_file_round_trip(self, tmp_path: Path) -> None:
        """Through a file too, a line end within a name included; infinities and -0.0 stay."""
        frame = TinyDataFrame({"a\r\nb": [math.inf, -math.inf, -0.0], 'quote",': [1e-300, 5e300, NAN]})
        path = tmp_path / "frame.csv"
        assert frame.to_csv(path) is None
        back = TinyDataFrame(csv_file_path=str(path))
        assert back == frame
        assert math.copysign(1, back["a\r\nb"][2]) == -1

    def test_from_elsewhere(self) -> None:
        """Windows line ends, a byte order mark, spaces, blank lines and quoted numbers are read."""
        text = '\ufefftimestamp,memory\r\n1, 2\r\n\r\n"3",\r\n 4 , \r\n'
        assert TinyDataFrame(csv=text) == TinyDataFrame({"timestamp": [1, 3, 4], "memory": [2, NAN, NAN]})

    @pytest.mark.parametrize("text", ["", "\n\n"])
    def test_nothing(self, text: str) -> None:
        """Empty text is an empty frame."""
        assert TinyDataFrame(csv=text) == TinyDataFrame()

    def test_header_only(self) -> None:
        """A header alone is a frame of no rows."""
        assert TinyDataFrame(csv="a,b\n").columns == ["a", "b"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a,b\n1,2\n3\n", ["line 3", "1 cells", "header has 2"]),
            ("a,b\n1,2,3\n", ["line 2", "3 cells"]),
            ("a,b\n1,2\n\n1,x\n", ["'b'", "row 1", "line 4", "'x' is not a number"]),
            ("a,b,a\n1,2,3\n", ["'a'", "twice"]),
            ('a,b\n1,"2\n', ["line", "cannot be read"]),
        ],
    )
    def test_unusable(self, text: str, words: list[str]) -> None:
        """Unusable text is refused in words that name line, row and column."""
        with pytest.raises(FrameError) as caught:
            TinyDataFrame(csv=text)
        assert all(word in str(caught.value) for word in words), caught.value

    def test_unreadable_file(self, tmp_path: Path) -> None:
        """A file that is not there, or is no text, is named."""
        path = tmp_path / "odd.csv"
        with pytest.raises(FrameError, match=r"odd\.csv"):
            TinyDataFrame(csv_file_path=path)
        path.write_bytes(b"a\n\xff\xfe\n")
        with pytest.raises(FrameError, match=r"odd\.csv"):
            TinyDataFrame(csv_file_path=path)

    def test_quoting_that_cannot_work(self) -> None:
        """A name that cannot be written without quotes is an error of ours."""
        with pytest.raises(FrameError, match="quoting"):
            TinyDataFrame({"a,b": [1]}).to_csv(quoting=csv.QUOTE_NONE)


class TestPickle:
    @given(frames(), st.integers(2, pickle.HIGHEST_PROTOCOL))
    def test_round_trip(self, frame: TinyDataFrame, protocol: int) -> None:
        """Every protocol that Metaflow may use gives the frame back."""
        assert pickle.loads(pickle.dumps(frame, protocol=protocol)) == frame

    def test_name_never_changes(self) -> None:
        """The pickle names ``resource_tracker.TinyDataFrame`` and no module below: those may move."""
        stored = pickle.dumps(TinyDataFrame({"a": [1.0]}), protocol=4)
        assert b"resource_tracker" in stored
        assert b"TinyDataFrame" in stored
        assert b"frame_io" not in stored
        assert b"resource_tracker.frame" not in stored

    def test_state(self) -> None:
        """The state is builtins and raw bytes, as documented."""
        state = TinyDataFrame({"a": [1.0, 2.0]}).__getstate__()
        assert state == {"v": 1, "columns": {"a": struct.pack("=2d", 1.0, 2.0)}, "byteorder": sys.byteorder}

    @pytest.mark.parametrize(("byteorder", "mark"), [("little", "<"), ("big", ">")])
    def test_either_byte_order(self, byteorder: str, mark: str) -> None:
        """A frame pickled on a machine of either byte order reads here."""
        frame = TinyDataFrame()
        frame.__setstate__({"v": 1, "columns": {"a": struct.pack(f"{mark}3d", 1.5, -2, NAN)}, "byteorder": byteorder})
        assert frame == TinyDataFrame({"a": [1.5, -2, NAN]})

    def test_golden_version_1(self) -> None:
        """A frame that version 1 pickled reads for ever."""
        frame = pickle.loads((GOLDEN / "frame_v1.pickle").read_bytes())
        assert type(frame) is TinyDataFrame
        assert frame == TinyDataFrame({"timestamp": [1741732803.3076203, 1741732804.3], "memory": [563273.0, NAN]})

    @pytest.mark.parametrize(
        ("state", "word"),
        [
            (None, "not the state"),
            ({}, "not the state"),
            ({"v": True, "columns": {}, "byteorder": "little"}, "not the state"),
            ({"v": 2, "columns": {}, "byteorder": "little"}, "upgrade"),
            ({"v": 0, "columns": {}, "byteorder": "little"}, "format 0"),
            ({"v": 1, "byteorder": "little"}, "lacks"),
            ({"v": 1, "columns": {}, "byteorder": "middle"}, "lacks"),
            ({"v": 1, "columns": {"a": b"1234567"}, "byteorder": "little"}, "'a'"),
            ({"v": 1, "columns": {"a": "12345678"}, "byteorder": "little"}, "'a'"),
            ({"v": 1, "columns": {1: b""}, "byteorder": "little"}, "damaged"),
            ({"v": 1, "columns": {"a": bytes(8), "b": b""}, "byteorder": "little"}, "differ in length"),
        ],
    )
    def test_nonsense(self, state: object, word: str) -> None:
        """A state that is damaged or of a later version is refused, and the later version named."""
        with pytest.raises(FrameError, match=word):
            TinyDataFrame().__setstate__(state)

    def test_size(self) -> None:
        """A day of rows takes eight bytes a cell and little more."""
        frame = TinyDataFrame({f"column_{n}": range(1000) for n in range(10)})
        assert len(pickle.dumps(frame)) < 10 * 1000 * 8 + 500
        assert len(gzip.compress(pickle.dumps(frame))) < 10_000


class TestOtherLibraries:
    def test_pandas(self) -> None:
        """A pandas frame of float64, nan as it is; also without rows."""
        frame = TinyDataFrame({"a": [1, None], "b": [3, 4]})
        found = frame.to_pandas()
        pandas.testing.assert_frame_equal(found, pandas.DataFrame({"a": [1.0, NAN], "b": [3.0, 4.0]}))
        assert TinyDataFrame(found.to_dict("list")) == frame
        assert list(TinyDataFrame({"a": []}).to_pandas().dtypes) == ["float64"]

    def test_arrow(self) -> None:
        """An Arrow table of doubles, nan as null; also without rows."""
        table = TinyDataFrame({"a": [1, None], "b": [3, 4]}).to_arrow()
        assert table.to_pydict() == {"a": [1.0, None], "b": [3.0, 4.0]}
        assert TinyDataFrame({"a": []}).to_arrow().schema.field("a").type == "double"

    @pytest.mark.parametrize(
        ("method", "package", "extra"), [("to_pandas", "pandas", "pandas"), ("to_arrow", "pyarrow", "arrow")]
    )
    def test_not_installed(self, monkeypatch: pytest.MonkeyPatch, method: str, package: str, extra: str) -> None:
        """Without the package the error is an ImportError that names the extra."""
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError) as caught:
            getattr(TinyDataFrame({"a": [1]}), method)()
        assert isinstance(caught.value, ImportError)
        assert f"metaflow-resource-tracker[{extra}]" in str(caught.value)

    def test_loads_neither(self) -> None:
        """Importing the frame loads neither pandas nor pyarrow nor numpy."""
        code = "import sys, resource_tracker.frame; print({'pandas', 'pyarrow', 'numpy'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"
