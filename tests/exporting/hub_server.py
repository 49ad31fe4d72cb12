"""A server on this machine that answers as huggingface.co does, as far as pulling and pushing a model needs it."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Hub:
    """What the server holds: of each repository whether it is private, and the files of each commit.

    Attributes:
        commits: For each repository its commits, each with the content of every file; the last is `main`.
        private: Whether it is.
        large: Files that it states the SHA-256 of, as it does of large ones.
        requests: The method and path of each request.
    """

    def __init__(self):
        self.commits, self.private, self.large, self.requests = {}, {}, {"model.safetensors"}, []
        self.tampered = {}  # content that is sent instead of a file's own

    def commit(self, repository, files):
        commits = self.commits.setdefault(repository, {})
        number = hashlib.sha1(f"{repository} {len(commits)}".encode(), usedforsecurity=False).hexdigest()
        commits[number] = {**list(commits.values())[-1], **files} if commits else dict(files)
        return number

    def find(self, repository, revision):
        commits = self.commits.get(repository, {})
        return list(commits)[-1] if revision == "main" and commits else revision if revision in commits else None


def git_checksum(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def serve_hub():
    """Gives the hub, and its address."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def send(self, status, content=b"", headers=()):
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **dict(headers)}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def read(self):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def do_GET(self):
            path = urlsplit(self.path).path
            hub.requests.append((self.command, path))
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                repository, revision = "/".join(parts[2:4]), (parts[5:] or ["main"])[0]
                return self.describe(repository, revision)
            repository, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
            commit = hub.find(repository, revision)
            content = hub.commits[repository][commit][name]
            is_large = name in hub.large
            checksum = hashlib.sha256(content).hexdigest() if is_large else git_checksum(content)
            headers = {"X-Repo-Commit": commit, "ETag": f'"{checksum}"', "Accept-Ranges": "none"}
            return self.send(200, hub.tampered.get(name, content), headers)

        def do_HEAD(self):
            self.do_GET()

        def describe(self, repository, revision):
            commit = hub.find(repository, revision)
            if commit is None:
                kind = "RevisionNotFound" if repository in hub.commits else "RepoNotFound"
                return self.send(404, {"error": kind}, {"X-Error-Code": kind})
            siblings = []
            for name, content in hub.commits[repository][commit].items():
                sibling = {"rfilename": name, "size": len(content), "blobId": git_checksum(content)}
                if name in hub.large:
                    sha256 = hashlib.sha256(content).hexdigest()
                    sibling["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
                siblings.append(sibling)
            private = hub.private.get(repository, False)
            return self.send(200, {"id": repository, "sha": commit, "private": private, "siblings": siblings})

        def do_POST(self):
            path = urlsplit(self.path).path
            hub.requests.append((self.command, path))
            parts, content = path.strip("/").split("/"), self.read()
            if self.headers.get("Authorization") != "Bearer a-token":
                return self.send(401, {"error": "Invalid credentials"})
            if path == "/api/repos/create":
                wanted = json.loads(content)
                repository = f"{wanted['organization']}/{wanted['name']}"
                if repository in hub.commits:
                    return self.send(409, {"error": "it exists", "url": f"http://{self.headers['Host']}/{repository}"})
                hub.private[repository] = wanted.get("visibility") == "private" or wanted.get("private", False)
                hub.commit(repository, {})
                return self.send(200, {"url": f"http://{self.headers['Host']}/{repository}"})
            if path == "/api/validate-yaml":
                return self.send(200, {"errors": [], "warnings": []})
            repository = "/".join(parts[2:4])
            if parts[4] == "preupload":
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(content)["files"]
                ]
                return self.send(200, {"files": files})
            files = {}
            for line in content.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
            commit = hub.commit(repository, files)
            url = f"http://{self.headers['Host']}/{repository}/commit/{commit}"
            return self.send(200, {"commitUrl": url, "commitOid": commit, "pullRequestUrl": None})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
