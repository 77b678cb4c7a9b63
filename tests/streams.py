"""A camera on the network, for the tests: one JPEG after the other over HTTP."""

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def mjpeg_server(jpeg: bytes, *, port: int = 0, fps: float = 25) -> Iterator[str]:
    """Sends the same picture again and again; the address to read it from. At the end all connections break."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not over.is_set():
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    time.sleep(1 / fps)

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    run = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    run.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/video"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        run.join()
