"""The web page and the REST and WebSocket interface: `mien serve`."""
