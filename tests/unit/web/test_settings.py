"""Settings that cannot be meant are refused."""

import pytest

from mien.core.errors import UsageError
from mien.web.settings import ServeConfig


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"port": 70_000}, "expected a port in 0..65535, got 70000"),
        ({"workers": 0}, "expected --workers above 0, got 0"),
        ({"max_upload_mb": -1}, "expected --max-upload-mb above 0, got -1"),
        ({"timeout_s": float("nan")}, "expected --timeout-s above 0, got nan"),
        ({"max_waiting": -1}, "expected --max-waiting of 0 or more, got -1"),
        ({"api_key": " "}, "expected a key, got an empty --api-key or MIEN_API_KEY"),
        ({"api_key": "schlüssel"}, "expected a key of plain ASCII characters, got others: choose another"),
        ({"tls_cert": "cert.pem"}, "expected --tls-key beside --tls-cert, got none: HTTPS needs both"),
        ({"tls_cert": "no.pem", "tls_key": "no.pem"}, "expected a PEM file at no.pem, got none"),
        (
            {"allow_origin": ["example.org"]},
            "expected an origin such as https://example.org to allow, got 'example.org'",
        ),
        ({"allow_origin": ["https://example.org/page"]}, "expected an origin such as"),
    ],
)
def test_wrong_settings(changes, line):
    with pytest.raises(UsageError, match=line.replace(".", r"\.").replace("(", r"\(")):
        ServeConfig(**changes)


@pytest.mark.parametrize(
    ("host", "rate"), [("127.0.0.1", 0), ("localhost", 0), ("::1", 0), ("0.0.0.0", 20), ("192.168.1.7", 20)]
)
def test_only_others_are_counted_unless_told(host, rate):
    assert ServeConfig(host=host).requests_per_s == rate
    assert ServeConfig(host=host, rate=3).requests_per_s == 3
