"""A cluster that cannot be used is one sentence, before any work."""

from __future__ import annotations

import pytest

from earmark.distributed import connect
from earmark.errors import UsageError


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", r"nobody answers there \(Connection refused\); start a cluster with 'ray start --head'"),
        ("somewhere", r"is no address of a cluster; give auto"),
        ("local:0", r"at least one process is needed"),
    ],
)
def test_no_cluster_is_one_sentence(address, sentence):
    with pytest.raises(UsageError, match=sentence):
        connect.connect(address)
