"""A receiver of webhooks that verifies them with the standardwebhooks package; a line of JSON for each request."""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook(sys.argv[1])


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = webhook.verify(body, {name.lower(): value for name, value in self.headers.items()})
            status, said = 204, {"id": self.headers["webhook-id"], "event": event}
        except WebhookVerificationError as error:
            status, said = 401, {"refused": str(error)}
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        print(json.dumps(said), flush=True)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
