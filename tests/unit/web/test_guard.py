"""Who may ask, how often, and with how many bytes."""

import base64

import pytest
from starlette.websockets import WebSocketDisconnect

from mien.web.app import create_app
from mien.web.settings import ServeConfig

from .conftest import Client, error_of


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.7", "LOCALHOST"]
)
def test_addresses_and_localhost_are_taken(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8000", "", "a b", "user@localhost", "localhost:x", "localhost/"]
)
def test_a_name_that_points_here_is_refused(client, host):
    answer = client.get("/health", headers={"Host": host})
    assert answer.status_code == 400
    assert "expected an address or a name of this server in the Host header" in error_of(answer)
    with pytest.raises(WebSocketDisconnect) as hung_up, client.websocket_connect("/stream", headers={"Host": host}):
        pass
    assert hung_up.value.code == 4400


def test_a_name_can_be_allowed(served):
    client = served(allow_host=("mien.example",))
    assert client.get("/health", headers={"Host": "mien.example"}).status_code == 200
    assert client.get("/health", headers={"Host": "other.example"}).status_code == 400


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:9999", "http://[", "null"])
def test_pages_of_other_sites_are_refused(client, origin):
    answer = client.post("/predict", headers={"Origin": origin}, files={"images": b"x"})
    assert answer.status_code == 403
    assert "expected a request of this server's own page" in error_of(answer)
    with pytest.raises(WebSocketDisconnect) as hung_up, client.websocket_connect("/stream", headers={"Origin": origin}):
        pass
    assert hung_up.value.code == 4403
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_page_is_taken(client):
    own = {"Origin": "http://localhost:8000"}
    assert client.get("/models", headers=own).status_code == 200
    with client.websocket_connect("/stream", headers=own):
        pass


def test_another_site_can_be_allowed(served):
    client = served(allow_origin=("https://Site.example/",))
    asked = {"Origin": "https://site.example", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/predict", headers=asked)
    assert preflight.headers["access-control-allow-origin"] == "https://site.example"
    answer = client.get("/models", headers=asked)
    assert answer.headers["access-control-allow-origin"] == "https://site.example"
    assert client.get("/models", headers={"Origin": "https://other.example"}).status_code == 403


def test_headers_that_keep_others_out_are_on_every_answer(client):
    for path in ("/", "/main.js", "/models", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http://" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "camera=(self)" in headers["permissions-policy"]
        assert "server" not in headers


@pytest.mark.parametrize(
    "shown",
    [{"X-API-Key": "key 1!"}, {"Authorization": "Bearer key 1!"}],
)
def test_a_key_opens(served, shown):
    client = served(api_key="key 1!")
    assert client.get("/models", headers=shown).status_code == 200


@pytest.mark.parametrize(
    "shown", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer "}, {"Authorization": "Basic key"}]
)
def test_without_the_key_only_the_page_and_health_are_open(served, shown):
    client = served(api_key="key")
    for path in ("/", "/style.css", "/main.js", "/sample.jpg", "/health"):
        assert client.get(path, headers=shown).status_code == 200
    for path in ("/models", "/metrics", "/openapi.json", "/jobs/x"):
        answer = client.get(path, headers=shown)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "expected the server's key as X-API-Key or a bearer token" in error_of(answer)
    with pytest.raises(WebSocketDisconnect) as hung_up, client.websocket_connect("/stream", headers=shown):
        pass
    assert hung_up.value.code == 4401


def test_a_page_shows_its_key_as_a_subprotocol(served):
    client = served(api_key="key~")
    packed = base64.urlsafe_b64encode(b"key~").decode().rstrip("=")
    with client.websocket_connect("/stream", subprotocols=["mien", f"mien.key.{packed}"]) as socket:
        assert socket.accepted_subprotocol == "mien"
    for wrong in ("!!!", "AAAA"):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/stream", subprotocols=[f"mien.key.{wrong}"]),
        ):
            pass


def test_one_client_asks_too_often(served):
    client = served(rate=1)
    codes = [client.get("/health").status_code for _ in range(6)]
    assert codes[:3] == [200] * 3
    assert codes[-1] == 429
    refused = client.get("/health")
    assert refused.headers["retry-after"] == "1"
    assert error_of(refused) == "expected at most 1 requests a second, got more: wait 1 s"


def test_too_many_bytes(served):
    client = served(max_upload_mb=0.1, max_video_mb=0.2)
    answer = client.post("/predict", files={"images": bytes(300_000)})
    assert answer.status_code == 413
    assert error_of(answer) == "expected at most 0.1 MB in one request, got more: send less"
    assert answer.headers["connection"] == "close"
    assert client.post("/videos", files={"video": bytes(400_000)}).status_code == 413
    assert client.request("DELETE", "/jobs/x", content=bytes(400_000)).status_code == 413


def test_too_many_bytes_without_a_length(served):
    client = served(max_upload_mb=0.1)

    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield bytes(10_000)
        yield b"\r\n--x--\r\n"

    answer = client.post("/predict", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413
    assert "expected at most 0.1 MB" in error_of(answer)


def test_too_many_connections_are_told_when_to_come_again(served):
    client = served()
    client.app.state.crowded = lambda: True
    answer = client.get("/health")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "too many" in error_of(answer)


def test_a_mistake_of_the_server_is_an_answer_like_any_other(tiny_model):
    app = create_app(ServeConfig(model=tiny_model, detector="none", workers=1))
    app.add_api_route("/broken", lambda: 1 / 0)
    with Client(app, raise_server_exceptions=False) as client:
        answer = client.get("/broken")
        assert answer.status_code == 500
        assert error_of(answer) == "something went wrong in the server: its log says what"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert 'status="500"' in client.get("/metrics").text
