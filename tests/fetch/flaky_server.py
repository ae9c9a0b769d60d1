# Serves a folder on the loopback interface as bad networks do. usage: flaky_server.py FOLDER PORT_FILE LOG
# The first part of an address says how: /good/, /cut/ (every answer ends after 4,000 bytes), /corrupt/ (one byte in the middle differs),
# /norange/ (answers with the whole file whatever is asked for). LOG gets a line for each request: address and Range.
import http.server
import os
import sys

folder, port_file, log = sys.argv[1:4]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        manner, _, name = self.path.lstrip("/").partition("/")
        wanted = self.headers.get("Range", "")
        with open(log, "a") as file:
            file.write(f"{self.path} {wanted or 'whole'}\n")
        try:
            with open(os.path.join(folder, os.path.basename(name)), "rb") as file:
                content = bytearray(file.read())
        except OSError:
            return self.send_error(404)
        if manner == "corrupt":
            content[len(content) // 2] ^= 1
        begin = 0
        if wanted.startswith("bytes=") and manner != "norange":
            begin = int(wanted[6:].split("-")[0])
            if begin >= len(content):
                return self.send_error(416)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin:begin + 4000] if manner == "cut" else content[begin:])

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(port_file + ".new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(port_file + ".new", port_file)
server.serve_forever()
