"""Requests that no description allows: none of them may be answered by a 5xx, or by anything that is no problem document."""
import http.client
import json
import urllib.parse

PATHS = ["/api/v1/devices", "/api/v1/groups/%00", "/api/v1/events?cursor=99999999999999999999", "/api/v1/groups?cursor=%00",
         "/api/v1/devices/%F0%28%8C%28", "/api/v1/rollouts/..%2f..%2fetc", "/api/v1/%", "/api/v1//devices", "/api/v1/events?kind=%00"]
HEADERS = [{"Cookie": "a=\x01\x02; =;;;" + "x" * 4000}, {"Authorization": "Bearer " + "\xff" * 100}, {"Authorization": ""},
           {"Accept": "\xe4/\xf6"}, {"Content-Type": "application/json; charset=\xff"}, {"If-Match": "\"" * 500},
           {"Idempotency-Key": "\xfc" * 20}, {"Last-Event-ID": "-1"}, {"X-Forwarded-For": "' OR 1=1 --"}]
BODIES = [b"", b"{", b"null", b"[]", b'"\\ud800"', b"\xff\xfe\x00", b'{"__proto__":{"a":1}}', b'{"name":"\\u0000"}',
          b"[" * 100_000, b"{\"a\":" * 50_000 + b"1" + b"}" * 50_000, b'{"name":"a","selector":"' + b"(" * 1000 + b'"}',
          b'{"name":"a","devices":["\\u0000"]}', b'{"labels":{"\\u0000":"a"}}']
POSTS = ["tokens", "groups", "groups/preview", "rollouts", "rollouts/preview", "releases", "configurations", "assignments",
         "kills", "devices/import"]


def garbage(url, token):
    """One line for each request that was answered wrongly."""
    place = urllib.parse.urlsplit(url).netloc
    authorized = {"Authorization": f"Bearer {token}"}
    asked = [("GET", path, {**authorized, **headers}, None) for path in PATHS for headers in [{}, *HEADERS]]
    asked += [("POST", f"/api/v1/{path}", {**authorized, "Content-Type": "application/json", **key}, body)
              for path in POSTS for body in BODIES for key in ({}, {"Idempotency-Key": "fuzzing-key"})]
    asked += [("PUT", "/api/v1/devices/a/labels", {**authorized, "Content-Type": "application/json", "If-Match": "*"}, body) for body in BODIES]
    wrong = [complaint for request in asked if (complaint := complaint_of(place, *request))]
    print(f"garbage: {len(asked)} requests, {len(wrong)} answered wrongly")
    return wrong


def complaint_of(place, method, path, headers, body):
    connection = http.client.HTTPConnection(place, timeout=10)
    try:
        connection.request(method, path, body, {name: value.encode("latin-1") for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read()
    except (http.client.HTTPException, OSError, ValueError) as error:
        # Node refuses bytes that are no HTTP by itself, and closes; only a hanging answer would be wrong.
        return f"{method} {path} {error!r}" if isinstance(error, TimeoutError) else None
    finally:
        connection.close()
    kind = answer.headers.get_content_type()
    if answer.status >= 500:
        return f"{method} {path} {str(headers)[:80]} {str(body)[:60]}: {answer.status} {text[:200]!r}"
    if answer.status >= 400 and kind == "application/problem+json" and "code" not in json.loads(text):
        return f"{method} {path}: a problem without a code"
    return None
