"""Where weights come from in tests: a server on this machine, a package index in a folder, pickles that would act."""

from __future__ import annotations

import pickle
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from mirstore.core.plugins import Plugins


class Server:
    """Serves files on loopback; what it was asked is in `asked`.

    Parameters
    ----------
    files : Mapping of str to bytes
        By path.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files, self.asked = dict(files), []
        self.breaks_after: int | None = None  # bytes; then the connection ends
        self.redirects: dict[str, str] = {}
        self.knows_ranges = True
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                server.asked.append((self.path, asked))
                if not server.knows_ranges:
                    asked = None
                if self.path in server.redirects:
                    self.send_response(302)
                    self.send_header("Location", server.redirects[self.path])
                    self.end_headers()
                    return
                if self.path not in server.files:
                    self.send_error(404)
                    return
                at = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
                content = server.files[self.path][at:]
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content if server.breaks_after is None else content[: server.breaks_after])

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """Write a wheel that pip takes, with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def write_index(root: Path, *distributions: Path) -> str:
    """Write an index as PEP 503 has it over wheels and source distributions; return its address."""
    for file in distributions:
        name = file.name.split("-")[0].replace("_", "-")
        page = root / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f'<!DOCTYPE html><html><body><a href="{file.as_uri()}">{file.name}</a></body></html>')
    return root.as_uri()


class Acts:
    """Pickles to what writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and a pip that knows no index but the test's."""
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "MIRSTORE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "no-index").as_uri())
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def needed_by_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the weights of plugins that come with mirstore: no test of these asks for them."""
    needed, tests = Plugins.needed, ("-gain", "elsewhere-plain", "elsewhere-broken")
    monkeypatch.setattr(Plugins, "needed", lambda self: [n for n in needed(self) if n.weights.name.endswith(tests)])


@pytest.fixture
def plugin(test_plugins: list[str], server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of tests/plugin_weights, whose address is the server's; what mirstore ships needs no weights."""
    monkeypatch.setenv("MIRSTORE_TEST_WEIGHTS", server.url)
    sys.modules.pop("mirstore_test_weights", None)
    shipped, declared = {needed.weights.name for needed in Plugins.installed().needed()}, Plugins.needed
    module = import_module("mirstore_test_weights")
    shipped -= {weights.name for weights in (module.web, module.wheel, module.own)}
    monkeypatch.setattr(
        Plugins, "needed", lambda self: [each for each in declared(self) if each.weights.name not in shipped]
    )
    server.files |= {"/gain.index": module.index, "/gain.data": module.data}
    yield module
    sys.modules.pop("mirstore_test_weights", None)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server({})
    yield made
    made.close()


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a wheel of gain-data 1.0 with these files on the package index; return it."""

    def put(files: Mapping[str, bytes]) -> Path:
        wheel = write_wheel(tmp_path / "files", "gain-data", "1.0", files)
        monkeypatch.setenv("PIP_INDEX_URL", write_index(tmp_path / "simple", wheel))
        return wheel

    return put


@pytest.fixture
def malicious(tmp_path: Path) -> Iterator[bytes]:
    """A pickle; fails the test if anything unpickled it."""
    mark = tmp_path / "acted"
    content = pickle.dumps(Acts(mark))
    yield content
    assert not mark.exists(), "a pickle was loaded"
    pickle.loads(content).close()
    assert mark.exists()  # it would have acted
