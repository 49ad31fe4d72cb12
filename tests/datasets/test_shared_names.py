"""Names that look as if several images were of one patient."""

import re
from pathlib import Path

import pytest

from cenet.data.sample import Sample
from cenet.datasets.folder import group_from_name
from cenet.datasets.shared_names import note_shared_beginnings


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (("ann-0_0", "ann-0_1", "ann-1_0", "ann-1_1", "ann-2_0", "ann-2_1"), '"^[^_]+" (3 groups)'),
        (("a_b_1", "a_b_2", "a_c_s1", "a_c_s2", "a_d_1", "a_d_2"), '"^(.+)_" (3 groups)'),
        (("ann-1", "ann-2", "bob-1", "bob-2", "eve-1", "eve-2"), '"^[^-]+" (3 groups)'),
        (("ann_OD", "ann_OS", "bob_OD", "bob_OS", "eve_OD", "eve_OS"), '"^[^_]+" (3 groups)'),
        (("ann-left", "ann-right", "bob-L", "bob-R", "eve-1", "eve-2"), '"^[^-]+" (3 groups)'),
        (("p 1 AP", "p 1 PA", "p 2 AP", "p 2 PA", "p 3 ap", "p 3 lat"), '"^(.+) " (3 groups)'),
        (("ann_a", "ann_b", "bob_a", "bob_b", "eve_a", "eve_b"), None),
        (("healthy_1", "healthy_2", "ill_1", "ill_2"), None),
        (("eye-0", "eye-1", "eye-2"), None),
        (("21_training", "22_training"), None),
        (("a_1", "b_1", "c_1"), None),
        (("a_1", "a_2", "b_1", "b_2", "other"), None),
    ],
)
def test_names_that_share_beginnings_may_be_patients(names, remedy):
    samples = [Sample(name, Path(f"{name}.png")) for name in names]
    note = note_shared_beginnings(samples, Path("set"))
    assert (note is None) == (remedy is None)
    if note:
        assert note.remedy.endswith(remedy)
        pattern = re.search('"(.*)"', note.remedy)[1]
        groups = {group_from_name(sample.image, pattern) for sample in samples}
        assert f"({len(groups)} groups)" in remedy
        grouped = [Sample(name, Path(f"{name}.png"), group=name[:3]) for name in names]
        assert note_shared_beginnings(grouped, Path("set")) is None
