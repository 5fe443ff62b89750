"""A Hub on loopback: the HTTP protocol that huggingface_hub's client speaks, with faults on demand.

Repositories, branches and commits live in memory. A commit appears whole or not at all, large files
go through the LFS protocol, whole or in parts, and are found again by their hash, as on the Hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from huggingface_hub import constants

# Larger files, and files of these kinds, go through LFS; parts of so many bytes.
_LFS_SIZE = 1_000_000
_LFS_KINDS = (".safetensors", ".bin", ".parquet", ".faiss", ".npy", ".png", ".onnx")
_PART = 60_000
_LICENCES = (
    "mit",
    "apache-2.0",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-sa-4.0",
    "other",
)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD /path" matches.

    `kind`: an HTTP status; "cut" before anything is done; "lost" after it is done but before the
    answer; "slow" for a second; "torn" in the middle of the answer's body.
    """

    where: str
    kind: int | str
    times: int = 1


@dataclass
class Repo:
    private: bool
    branches: dict[str, str] = field(default_factory=dict)  # name -> commit
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # commit -> path -> content
    pull_requests: int = 0


class LocalHub:
    """The server; `with LocalHub() as hub` runs it, and `hub.endpoint` is its address."""

    def __init__(self) -> None:
        self.tokens = {"hf_bee": "bee", "hf_other": "other"}
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # LFS, by SHA-256
        self.parts: dict[str, dict[int, bytes]] = {}
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.hub = self  # type: ignore[attr-defined]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> LocalHub:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def files(self, repo: str, branch: str = "main") -> dict[str, bytes]:
        """Content of a branch by path."""
        found = self.repos[repo]
        return found.commits[found.branches[branch]]

    def commit(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Add files to a branch, as somebody else would."""
        found = self.repos[repo]
        return self._committed(found, branch, {**self.files(repo, branch), **files})

    def create(self, repo: str, private: bool = False) -> None:
        found = self.repos[repo] = Repo(private)
        self._committed(found, "main", {".gitattributes": b"*.safetensors filter=lfs\n"})

    def _committed(self, repo: Repo, branch: str, files: dict[str, bytes]) -> str:
        listed = "".join(f"{p}{hashlib.sha1(c).hexdigest()}" for p, c in sorted(files.items()))
        commit = hashlib.sha1(f"{len(repo.commits)}{listed}".encode()).hexdigest()
        repo.commits[commit] = files
        repo.branches[branch] = commit
        return commit

    def fault(self, request: str) -> Fault | None:
        """The fault of this request, once less to come."""
        with self.lock:
            self.log.append(request)
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.where, request):
                    fault.times -= 1
                    return fault
        return None


def is_lfs(path: str, size: int) -> bool:
    return size > 0 and (size > _LFS_SIZE or path.endswith(_LFS_KINDS))


def metadata_errors(card: str) -> list[str]:
    """What the Hub refuses in a card's metadata, of what beekit's cards have."""
    match = re.match(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(\r\n|\n|$))", card)
    if not match:
        return ["no metadata"]
    data = yaml.safe_load(match[2])
    words = ("license", "library_name", "pipeline_tag")
    errors = [f"{k} must be a string" for k in words if k in data and not isinstance(data[k], str)]
    if data.get("license", "mit") not in _LICENCES:
        errors.append(f"license {data['license']!r} is not one of the Hub's")
    if "license_name" in data and data.get("license") != "other":
        errors.append("license_name without license: other")
    codes = [code for code in data.get("language", []) if not re.fullmatch(r"[a-z]{2,3}", code)]
    errors += [f"language {code!r} is no ISO 639 code" for code in codes]
    for key in ("base_model", "datasets"):
        names = data.get(key, [])
        listed = [names] if isinstance(names, str) else names
        bad = [name for name in listed if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name)]
        errors += [f"{key} {name!r} is not a name on the Hub" for name in bad]
    for model in data.get("model-index", []):
        if not isinstance(model.get("name"), str):
            errors.append("model-index without a name")
        for result in model["results"]:
            if not result.get("task", {}).get("type"):
                errors.append("a result without task.type")
            if not {"type", "name"} <= set(result.get("dataset", {})):
                errors.append("a result without dataset.type and dataset.name")
            elif not re.fullmatch(r"(?:[\w-]+/)?[\w\-.]+", result["dataset"]["type"]):
                errors.append(f"dataset.type {result['dataset']['type']!r} is no name")
            whole = [
                "type" in metric and isinstance(metric.get("value"), (int, float))
                for metric in result["metrics"]
            ]
            errors += ["a metric without type and value"] * whole.count(False)
    return errors


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "", **known: str) -> None:
        self.status, self.code, self.message, self.known = status, code, message, known


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        self.hub: LocalHub = self.server.hub  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.hub.fault(f"{self.command} {unquote(url.path)}")
        kind = fault.kind if fault else None
        if kind == "cut":
            self.close_connection = True
            return
        if kind == "slow":
            time.sleep(1)
        self.torn = kind == "torn"
        try:
            if isinstance(kind, int):
                raise _Refused(kind, message="an error on demand")
            answer = self._answer(url.path, body)
        except _Refused as refused:
            answer = refused
        if kind == "lost":
            self.close_connection = True
        elif isinstance(answer, _Refused):
            headers = {"X-Error-Code": answer.code, "X-Error-Message": answer.message}
            told = {
                "error": answer.message,
                "errors": [{"message": answer.message}],
                **answer.known,
            }
            content = json.dumps(told).encode()
            self._send(answer.status, content, {k: v for k, v in headers.items() if v})
        elif answer is not None:
            self._send(200, json.dumps(answer).encode(), {})

    do_GET = do_POST = do_PUT = do_HEAD = _serve

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.torn:
            self.close_connection = True
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def _answer(self, path: str, body: bytes) -> Any:
        """JSON to answer with; None where the answer has been sent."""
        routes: list[tuple[str, str, Any]] = [
            ("GET", r"/api/whoami-v2", self._who),
            ("POST", r"/api/repos/create", self._create),
            ("POST", r"/api/validate-yaml", self._validate),
            ("POST", r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)", self._preupload),
            ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
            ("PUT", r"/lfs/(\w+)(?:/(\d+))?", self._store),
            ("POST", r"/lfs/(\w+)/complete", self._complete),
            ("POST", r"/lfs/(\w+)/verify", self._verify),
            ("POST", r"/api/models/([^/]+/[^/]+)/commit/([^/]+)", self._commit),
            ("POST", r"/api/models/([^/]+/[^/]+)/branch/([^/]+)", self._branch),
            ("GET", r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", self._tree),
            ("GET", r"/api/models/([^/]+/[^/]+)/xet-write-token/([^/]+)", self._xet_token),
            ("GET", r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", self._info),
            ("GET", r"/api/models/([^/]+/[^/]+)", self._info),
            ("(?:GET|HEAD)", r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._resolve),
            ("(?:GET|HEAD)", r"/cdn/(\w+)", self._object),
        ]
        for method, pattern, route in routes:
            match = re.fullmatch(pattern, path)
            if match and re.fullmatch(method, self.command):
                return route(*(unquote(g) if g else g for g in match.groups()), body=body)
        raise _Refused(404, message=f"nothing at {path}")

    def _user(self) -> str | None:
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            raise _Refused(401, message="Invalid credentials in Authorization header")
        return self.hub.tokens.get(token)

    def _repo(self, name: str, write: bool = False) -> Repo:
        user = self._user()
        repo = self.hub.repos.get(name)
        owns = user == name.split("/")[0]
        if repo is None or (repo.private and not owns):
            raise _Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        if write and not owns:
            raise _Refused(403, message=f"{user} may not write to {name}")
        return repo

    def _head(self, repo: Repo, revision: str) -> str:
        commit = repo.branches.get(revision, revision)
        if commit not in repo.commits:
            raise _Refused(404, "RevisionNotFound", f"no revision {revision}")
        return commit

    def _who(self, body: bytes) -> Any:
        user = self._user()
        if user is None:
            raise _Refused(401, message="Invalid username or password.")
        return {"type": "user", "name": user, "orgs": [], "auth": {"accessToken": {}}}

    def _create(self, body: bytes) -> Any:
        asked = json.loads(body)
        user = self._user()
        if user is None:
            raise _Refused(401, message="Invalid username or password.")
        owner = asked["organization"] or user
        name = f"{owner}/{asked['name']}"
        if owner != user:
            raise _Refused(403, message=f"no rights to create a model under {owner}")
        known = {"url": f"{self.hub.endpoint}/{name}", "name": name, "id": name}
        if name in self.hub.repos:
            raise _Refused(409, message="You already created this model repo", **known)
        self.hub.create(name, private=asked.get("visibility") == "private")
        return known

    def _validate(self, body: bytes) -> Any:
        errors = metadata_errors(json.loads(body)["content"])
        if errors:
            raise _Refused(400, message="; ".join(errors))
        return {"errors": [], "warnings": []}

    def _preupload(self, name: str, revision: str, body: bytes) -> Any:
        repo = self._repo(name, write="create_pr" not in self.query)
        there = repo.commits[self._head(repo, revision)]
        ignored = there.get(".gitignore", b"").decode().split()
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_lfs(file["path"], file["size"]) else "regular",
                    "shouldIgnore": any(map(partial(fnmatch, file["path"]), ignored)),
                    "oid": _object_id(file["path"], there[file["path"]])
                    if file["path"] in there
                    else None,
                }
                for file in json.loads(body)["files"]
            ]
        }

    def _batch(self, name: str, body: bytes) -> Any:
        self._repo(name)
        objects = []
        for asked in json.loads(body)["objects"]:
            oid, size = asked["oid"], asked["size"]
            place = f"{self.hub.endpoint}/lfs/{oid}"
            upload: dict[str, Any] = {"href": place}
            if size > _PART:
                parts = {f"{i + 1:05}": f"{place}/{i + 1}" for i in range(-(-size // _PART))}
                upload = {
                    "href": f"{place}/complete",
                    "header": {"chunk_size": str(_PART), **parts},
                }
            actions = {"upload": upload, "verify": {"href": f"{place}/verify"}}
            has = oid in self.hub.objects
            objects.append({"oid": oid, "size": size, **({} if has else {"actions": actions})})
        return {"transfer": "basic", "objects": objects}

    def _store(self, oid: str, part: str | None, body: bytes) -> Any:
        if part is None:
            if hashlib.sha256(body).hexdigest() != oid:
                raise _Refused(400, message="content is not what its hash says")
            self.hub.objects[oid] = body
        else:
            self.hub.parts.setdefault(oid, {})[int(part)] = body
        self._send(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def _complete(self, oid: str, body: bytes) -> Any:
        asked = [part["partNumber"] for part in json.loads(body)["parts"]]
        content = b"".join(self.hub.parts.get(oid, {}).get(number, b"") for number in asked)
        return self._store(oid, None, content)

    def _verify(self, oid: str, body: bytes) -> Any:
        if len(self.hub.objects.get(oid, b"")) != json.loads(body)["size"]:
            raise _Refused(400, message="not uploaded")
        return {}

    def _commit(self, name: str, revision: str, body: bytes) -> Any:
        repo = self._repo(name, write="create_pr" not in self.query)
        with self.hub.lock:
            head = self._head(repo, revision)
            files = dict(repo.commits[head])
            header, *changes = [json.loads(line) for line in body.splitlines()]
            if header["value"].get("parentCommit", head) != head:
                raise _Refused(412, message="A commit has happened since.")
            for change in changes:
                value = change["value"]
                if change["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif change["key"] == "lfsFile":
                    if value["oid"] not in self.hub.objects:
                        raise _Refused(400, message=f"{value['path']} was not uploaded")
                    files[value["path"]] = self.hub.objects[value["oid"]]
                elif change["key"] == "deletedFile":
                    del files[value["path"]]
            branch = revision
            if "create_pr" in self.query:
                repo.pull_requests += 1
                branch = f"refs/pr/{repo.pull_requests}"
            commit = self.hub._committed(repo, branch, files)
        return {
            "success": True,
            "commitOid": commit,
            "commitUrl": f"{self.hub.endpoint}/{name}/commit/{commit}",
            "pullRequestUrl": f"{self.hub.endpoint}/{name}/discussions/{repo.pull_requests}",
        }

    def _branch(self, name: str, branch: str, body: bytes) -> Any:
        repo = self._repo(name, write=True)
        if branch.startswith("refs/"):
            raise _Refused(400, message="not the name of a branch")
        if branch in repo.branches:
            raise _Refused(409, message="the branch exists")
        repo.branches[branch] = repo.branches["main"]
        return {}

    def _info(self, name: str, revision: str = "main", *, body: bytes) -> Any:
        repo = self._repo(name)
        commit = self._head(repo, revision)
        siblings = [{"rfilename": path} for path in sorted(repo.commits[commit])]
        known = {"id": name, "modelId": name, "private": repo.private, "tags": []}
        return {"_id": "0", **known, "sha": commit, "siblings": siblings}

    def _tree(self, name: str, revision: str, body: bytes) -> Any:
        repo = self._repo(name)
        listed = []
        for path, content in sorted(repo.commits[self._head(repo, revision)].items()):
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content)}
            entry["oid"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            if is_lfs(path, len(content)):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
            listed.append(entry)
        return listed

    def _xet_token(self, name: str, revision: str, body: bytes) -> Any:
        raise _Refused(403, message="storage of this user is full")

    def _resolve(self, name: str, revision: str, path: str, body: bytes) -> Any:
        repo = self._repo(name)
        commit = self._head(repo, revision)
        headers = {"X-Repo-Commit": commit}
        content = repo.commits[commit].get(path)
        if content is None:
            raise _Refused(404, "EntryNotFound", f"no {path}")
        if not is_lfs(path, len(content)):
            return self._content(content, {**headers, "ETag": f'"{_object_id(path, content)}"'})
        sha256 = hashlib.sha256(content).hexdigest()
        self.hub.objects[sha256] = content
        headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
        # Another host than the Hub's, as where the Hub keeps large files.
        place = self.hub.endpoint.replace("127.0.0.1", "localhost")
        self._send(302, b"", {**headers, "Location": f"{place}/cdn/{sha256}"})
        return None

    def _object(self, sha256: str, body: bytes) -> Any:
        return self._content(self.hub.objects[sha256], {"ETag": f'"{sha256}"'})

    def _content(self, content: bytes, headers: dict[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and int(asked[1]) > 0:
            start = int(asked[1])
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206, content[start:], {**headers, "Content-Range": span})
        else:
            self._send(200, content, headers)


def _object_id(path: str, content: bytes) -> str:
    """As git would name it, or for LFS its SHA-256."""
    if is_lfs(path, len(content)):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def reachable(monkeypatch: Any, folder: Path) -> Iterator[LocalHub]:
    """The Hub of this process, with bee's token, and no long waits between tries.

    Args:
        monkeypatch: pytest's.
        folder: for the client's cache and token.
    """
    with LocalHub() as server:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            template.replace(constants.ENDPOINT, server.endpoint),
        )
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
        monkeypatch.setenv("HF_TOKEN", "hf_bee")
        monkeypatch.setattr("beekit.hub.client.WAITS", (0.0, 0.0, 0.0))
        hurried = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
        for module in ("utils._http", "file_download"):
            monkeypatch.setattr(f"huggingface_hub.{module}.time", hurried)
        yield server
