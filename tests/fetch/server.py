"""Serves the files of a folder on a free port of this machine; the port is printed. Folders of the address change how:
/cut/FILE ends the connection after half of what is left, /flip/FILE changes a byte in the middle, /whole/FILE cannot continue a download."""
import http.server, pathlib, re, sys

root = pathlib.Path(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        *how, name = self.path.strip("/").split("/")
        path = root / name
        if not path.is_file():
            return self.send_error(404)
        content = bytearray(path.read_bytes())
        if "flip" in how:
            content[len(content) // 2] ^= 1
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted and "whole" not in how else 0
        if first and first >= len(content):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        rest = content[first:]
        self.wfile.write(rest[: len(rest) // 2] if "cut" in how else rest)
        print(f"{name} from {first}", file=sys.stderr, flush=True)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
