"""TinyDataFrame: building, reading, changing, figures."""

from __future__ import annotations

import copy
import doctest
import math
import statistics
from array import array

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import frames

from resource_tracker.errors import ColumnNotFoundError, FrameError
from resource_tracker.frame import TinyDataFrame

NAN = math.nan


@pytest.fixture
def frame() -> TinyDataFrame:
    return TinyDataFrame({"timestamp": [1.0, 2.0, 3.0, 4.0], "memory": [10, 20.5, None, 40]})


class TestBuilding:
    def test_from_dict_of_lists(self) -> None:
        """Lists, arrays, numpy arrays, ranges and generators all become columns of floats."""
        frame = TinyDataFrame(
            {
                "list": [1, True, 2.5],
                "array": array("d", [1, 2, 3]),
                "ints": array("q", [1, 2, 3]),
                "numpy": numpy.array([1, 2, 3]),
                "range": range(3),
                "generator": (n for n in (7, 8, 9)),
            }
        )
        assert frame["list"] == [1.0, 1.0, 2.5]
        assert frame["array"] == frame["ints"] == frame["numpy"] == [1.0, 2.0, 3.0]
        assert frame["range"] == [0.0, 1.0, 2.0]
        assert frame["generator"] == [7.0, 8.0, 9.0]

    def test_from_list_of_dicts(self) -> None:
        """Columns stand in order of first appearance; what a row lacks is nan."""
        frame = TinyDataFrame([{"a": 1}, {"b": 2, "a": None}, {"c": 3}])
        assert frame.columns == ["a", "b", "c"]
        assert frame == TinyDataFrame({"a": [1, NAN, NAN], "b": [NAN, 2, NAN], "c": [NAN, NAN, 3]})

    def test_from_frame_copies(self, frame: TinyDataFrame) -> None:
        """A frame built from a frame does not share its columns, nor with the arrays it came from."""
        cells = array("d", [1.0])
        source = TinyDataFrame({"a": cells})
        cells[0] = 9.0
        other = TinyDataFrame(source)
        other["a"] = [5]
        assert source["a"] == [1.0]

    @pytest.mark.parametrize("nothing", [TinyDataFrame(), TinyDataFrame({}), TinyDataFrame([])])
    def test_empty(self, nothing: TinyDataFrame) -> None:
        """Nothing in, an empty frame out, which still prints and slices."""
        assert len(nothing) == 0
        assert nothing.columns == []
        assert list(nothing) == []
        assert nothing.head() == nothing[0:3] == nothing
        assert repr(nothing) == "TinyDataFrame with 0 rows and 0 columns."

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            ({"a": [1, 2], "b": [1]}, ["'b' has 1 rows", "'a' has 2"]),
            ({"a": [1, "x"]}, ["'a'", "row 1", "'x' is not a number"]),
            ({"a": ["1"]}, ["'a'", "row 0", "not a number"]),
            ({"a": [10**400]}, ["'a'", "row 0", "not a number"]),
            ({"a": "12"}, ["'a'", "list of numbers", "str"]),
            ({"a": bytearray(8)}, ["'a'", "list of numbers", "bytearray"]),
            ({"a": 5}, ["'a'", "list of numbers", "int"]),
            ({1: [2]}, ["string", "1"]),
            ([{"a": 1}, 5], ["row 1", "int"]),
            ([{"a": 1}, {"a": [2]}], ["'a'", "row 1", "[2]"]),
            ([{}, {}], ["2 rows", "no column"]),
            ("a,b", ["dict of lists", "str"]),
            (5, ["dict of lists", "int"]),
        ],
    )
    def test_unusable_data(self, data: object, words: list[str]) -> None:
        """Unusable data is refused in words that name column, row and value."""
        with pytest.raises(FrameError) as caught:
            TinyDataFrame(data)  # type: ignore[arg-type]
        assert all(word in str(caught.value) for word in words), caught.value

    def test_one_source_only(self) -> None:
        """Two sources at once are refused."""
        with pytest.raises(FrameError, match="not several"):
            TinyDataFrame({"a": [1]}, csv="a\n1\n")


class TestReading:
    def test_column_row_slice(self, frame: TinyDataFrame) -> None:
        """A name gives a list, names a frame, a number a dict, a slice a frame; all count from the end too."""
        assert frame["timestamp"] == [1.0, 2.0, 3.0, 4.0]
        assert frame[["memory"]].columns == ["memory"]
        assert frame[("memory", "timestamp")].columns == ["memory", "timestamp"]
        assert frame[1] == {"timestamp": 2.0, "memory": 20.5}
        assert frame[-1] == frame[numpy.int64(3)] == {"timestamp": 4.0, "memory": 40.0}
        assert frame[1:3] == frame[-3:-1] == TinyDataFrame({"timestamp": [2, 3], "memory": [20.5, NAN]})
        assert frame[::-1]["timestamp"] == [4.0, 3.0, 2.0, 1.0]

    def test_what_is_read_is_a_copy(self, frame: TinyDataFrame) -> None:
        """Changing what was read leaves the frame as it is."""
        frame["timestamp"].append(5.0)
        part = frame[["timestamp"]]
        part["timestamp"] = [0, 0, 0, 0]
        assert frame["timestamp"] == [1.0, 2.0, 3.0, 4.0]

    @pytest.mark.parametrize("index", [4, -5, 100])
    def test_row_out_of_range(self, frame: TinyDataFrame, index: int) -> None:
        """A row that is not there is an IndexError, as in a list."""
        with pytest.raises(IndexError, match="4 rows"):
            frame[index]

    def test_unknown_column(self, frame: TinyDataFrame) -> None:
        """The message names the column and those there are, in plain words; it is a KeyError too."""
        for read in (lambda: frame["cpu"], lambda: frame[["memory", "cpu"]], lambda: frame.stats("cpu")):
            with pytest.raises(ColumnNotFoundError) as caught:
                read()
            assert str(caught.value) == "no column 'cpu'; there are: timestamp, memory"
            assert isinstance(caught.value, KeyError)

    @pytest.mark.parametrize("key", [1.5, None, {"a"}])
    def test_odd_index(self, frame: TinyDataFrame, key: object) -> None:
        """Anything else as an index is refused, and shown."""
        with pytest.raises(FrameError, match="indexed by"):
            frame[key]  # type: ignore[call-overload]

    def test_iteration_is_over_rows(self, frame: TinyDataFrame) -> None:
        """Iterating gives the rows; ``in`` asks for a column."""
        assert [row["timestamp"] for row in frame] == frame["timestamp"]
        assert len(frame) == 4
        assert "memory" in frame
        assert "cpu" not in frame

    def test_head_and_tail(self, frame: TinyDataFrame) -> None:
        """``head`` and ``tail`` give at most what there is, and nothing for 0 or less."""
        assert frame.head(2) == frame[:2]
        assert frame.tail(1)["timestamp"] == [4.0]
        assert frame.head(9) == frame.tail(9) == frame
        assert len(frame.head(0)) == len(frame.tail(0)) == len(frame.tail(-1)) == 0

    def test_equality(self, frame: TinyDataFrame) -> None:
        """Equal means same columns in the same order with the same values, nan included; frames have no hash."""
        assert frame == TinyDataFrame(frame.to_dict())
        assert frame != frame[["memory", "timestamp"]]
        assert frame != frame[:3]
        assert frame != frame.to_dict()
        assert TinyDataFrame({"a": [1]}) != TinyDataFrame({"a": [NAN]})
        with pytest.raises(TypeError):
            hash(frame)


class TestChanging:
    def test_set_and_delete(self, frame: TinyDataFrame) -> None:
        """Columns are added, replaced and deleted; a wrong length is refused and changes nothing."""
        frame["cpu"] = [1, 2, 3, 4]
        frame["memory"] = range(4)
        assert frame[0] == {"timestamp": 1.0, "memory": 0.0, "cpu": 1.0}
        with pytest.raises(FrameError, match="'cpu' has 1 rows, but the frame has 4"):
            frame["cpu"] = [1]
        del frame["cpu"]
        assert frame.columns == ["timestamp", "memory"]
        with pytest.raises(ColumnNotFoundError):
            del frame["cpu"]

    def test_only_column_may_change_length(self) -> None:
        """The only column of a frame can be replaced by one of any length, also in an empty frame."""
        frame = TinyDataFrame()
        frame["a"] = [1]
        frame["a"] = [1, 2]
        assert len(frame) == 2

    def test_rename(self, frame: TinyDataFrame) -> None:
        """Renaming gives a new frame in the same order; two columns may swap names; a clash is refused."""
        assert frame.rename({"memory": "memory_kib"}).columns == ["timestamp", "memory_kib"]
        assert frame.columns == ["timestamp", "memory"]
        swapped = frame.rename({"memory": "timestamp", "timestamp": "memory"})
        assert swapped["memory"] == frame["timestamp"]
        with pytest.raises(FrameError, match="'timestamp' would stand twice"):
            frame.rename({"memory": "timestamp"})
        with pytest.raises(ColumnNotFoundError):
            frame.rename({"cpu": "x"})

    @given(frames())
    def test_copies_are_equal(self, frame: TinyDataFrame) -> None:
        """Every way to copy a frame gives an equal one."""
        assert TinyDataFrame(frame) == copy.copy(frame) == copy.deepcopy(frame) == frame[:] == frame

    @given(frames(), st.slices(6))
    def test_slices_are_those_of_the_rows(self, frame: TinyDataFrame, part: slice) -> None:
        """A slice holds the rows that the same slice of a list of rows holds."""
        assert repr(frame[part].to_dict("records")) == repr(list(frame)[part])

    @given(frames())
    def test_both_orients_read_back(self, frame: TinyDataFrame) -> None:
        """``to_dict()`` reads back exactly; so do its records, where there are rows."""
        assert TinyDataFrame(frame.to_dict()) == frame
        if len(frame):
            assert TinyDataFrame(frame.to_dict("records")) == frame

    def test_unknown_orient(self, frame: TinyDataFrame) -> None:
        """Another orient is refused with those there are."""
        with pytest.raises(FrameError, match=r'"list" or "records", not \'index\''):
            frame.to_dict("index")  # type: ignore[call-overload]


class TestFigures:
    def test_stats(self, frame: TinyDataFrame) -> None:
        """Figures leave nan out."""
        assert frame.stats("memory", percentiles=[0, 50, 75, 100]) == {
            "memory": {
                "count": 3.0,
                "mean": 70.5 / 3,
                "min": 10.0,
                "max": 40.0,
                "sum": 70.5,
                "p0": 10.0,
                "p50": 20.5,
                "p75": 30.25,
                "p100": 40.0,
            }
        }
        assert list(frame.stats()) == frame.columns

    def test_nothing_available(self) -> None:
        """A column without a value has a count of 0 and nan for the rest, never 0."""
        for frame in (TinyDataFrame({"a": [NAN, NAN]}), TinyDataFrame({"a": []})):
            figures = frame.stats()["a"]
            assert figures.pop("count") == 0.0
            assert all(math.isnan(figure) for figure in figures.values())

    @pytest.mark.parametrize("percentile", [-1, 100.5, NAN])
    def test_odd_percentile(self, frame: TinyDataFrame, percentile: float) -> None:
        """A percentile outside 0 to 100 is refused."""
        with pytest.raises(FrameError, match="between 0 and 100"):
            frame.stats(percentiles=[percentile])

    @given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0, 100))
    def test_agrees_with_numpy(self, values: list[float], percentile: float) -> None:
        """Mean and percentile are numpy's."""
        figures = TinyDataFrame({"a": values}).stats(percentiles=[percentile])["a"]
        assert figures["mean"] == pytest.approx(statistics.fmean(values), abs=1e-6)
        assert figures[f"p{percentile:g}"] == pytest.approx(numpy.percentile(values, percentile), abs=1e-6)
        assert figures["min"] <= figures[f"p{percentile:g}"] <= figures["max"] or len(values) > 1


def test_examples_in_the_docstring() -> None:
    """The examples of the class's documentation run as they stand."""
    names = {"TinyDataFrame": TinyDataFrame}
    (examples,) = [
        test for test in doctest.DocTestFinder().find(TinyDataFrame, module=False, globs=names) if test.examples
    ]
    assert doctest.DocTestRunner().run(examples) == doctest.TestResults(failed=0, attempted=4)
