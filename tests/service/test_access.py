"""Who may ask: cookies and hosts that cannot be read are none."""

import pytest
from starlette.datastructures import Headers

from cenet.errors import CenetError
from cenet.service.access import AccessPolicy
from cenet.service.limits import ServiceLimits
from cenet.service.problems import ProblemError

TOKEN = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"cookie": f"page={TOKEN}"}, None),
        ({"cookie": f"other={TOKEN}"}, 401),
        ({"cookie": f"page={TOKEN}; a(b=c"}, 401),
        ({"cookie": "a=b; c"}, 401),
        ({"host": "[::1"}, 421),
        ({"host": "[::1]:8000", "cookie": f"page={TOKEN}"}, None),
        ({"origin": "http://[", "cookie": f"page={TOKEN}"}, 403),
        ({"origin": "", "cookie": f"page={TOKEN}"}, 403),
        ({"origin": "http://LOCALHOST", "cookie": f"page={TOKEN}"}, None),
    ],
    ids=str,
)
def test_what_cannot_be_read_opens_nothing(headers, status):
    policy, headers = AccessPolicy(TOKEN, cookie="page"), Headers({"host": "localhost", **headers})
    if status is None:
        policy.check("/v1/models", headers)
        return
    with pytest.raises(ProblemError) as caught:
        policy.check("/v1/models", headers)
    assert caught.value.status == status


@pytest.mark.parametrize("value", [0, -1, 10**15])
def test_a_limit_is_above_0(value):
    with pytest.raises(CenetError) as caught:
        ServiceLimits(max_batch=value)
    assert caught.value.subject == "max_batch"
