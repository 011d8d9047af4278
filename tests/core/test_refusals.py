"""What a bucket refuses is said in words, and never with what its answer repeats: keys and tokens."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from mirstore.core import bucket as buckets
from mirstore.core.bucket import Bucket
from mirstore.core.errors import StoreError
from mirstore.core.refusals import refusal

pytest.importorskip("obstore")
secrets = "AKIAGEHEIM", "ganz-geheim", "auch-geheim"
answer = (
    "<Error><Code>{code}</Code><Message>for ganz-geheim</Message><Token-0>auch-geheim</Token-0>"
    "<AWSAccessKeyId>AKIAGEHEIM</AWSAccessKeyId></Error>"
)  # S3 puts more than this into its own


class Refusing(BaseHTTPRequestHandler):
    """Answers everything with the server's refusal."""

    def do(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        status, code = self.server.refusal
        body = answer.format(code=code).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do  # noqa: N815

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def bucket(server, tmp_path, monkeypatch) -> Iterator[Bucket]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": secrets[0],
        "AWS_SECRET_ACCESS_KEY": secrets[1],
        "AWS_SESSION_TOKEN": secrets[2],
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "MIRSTORE_CACHE": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(buckets, "_patience", {**buckets._patience, "max_retries": 0})
    buckets._found.cache_clear()
    yield Bucket("s3://lake/folder")
    buckets._found.cache_clear()


@pytest.mark.parametrize(
    ("status", "code", "why", "hint"),
    [
        (400, "ExpiredToken", "the credentials have expired", "get new ones (AWS_ACCESS_KEY_ID"),
        (403, "ExpiredToken", "the credentials have expired", "get new ones (AWS_ACCESS_KEY_ID"),
        (400, "InvalidToken", "access is denied: the session token is not valid", "which must be of one set"),
        (403, "InvalidAccessKeyId", "access is denied: the access key is not known there", "check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "access is denied: the secret key is not", "check AWS_ACCESS_KEY_ID"),
        (403, "RequestTimeTooSkewed", "access is denied: this machine's clock is wrong", "set the clock"),
        (403, "AccessDenied", "access is denied", "ask who keeps the bucket"),
        (401, "Unauthorized", "access is denied", "ask who keeps the bucket"),
        (400, "Strange", "answers 400 Strange", "check the address, AWS_ENDPOINT_URL"),
    ],
)
def test_what_a_bucket_refuses_is_said_without_its_answer(server, bucket, status, code, why, hint):
    server.refusal = status, code
    path = bucket.folder / "data" / "x"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of a commit")
    for ask in (
        lambda: bucket.read("head"),
        lambda: bucket.write("head", b"1"),
        lambda: bucket.put([path]),
        lambda: bucket.fetch({bucket.folder / "y": None}),
        lambda: list(bucket.list("data")),
        lambda: bucket.copy({path: path.with_name("z")}),
        lambda: bucket.delete([bucket.folder / "y"]),
    ):
        with pytest.raises(StoreError) as error:
            ask()
        assert error.value.message.startswith(f"s3://lake/folder: {why}")
        assert hint in error.value.hint
        assert error.value.hint.endswith("what was committed is safe")
        said = "".join(traceback.format_exception(error.value))
        assert not [secret for secret in secrets if secret in said + error.value.hint]


@pytest.mark.parametrize(
    ("code", "why"),
    [("AccessDenied", "access is denied"), ("Strange", "answers Strange"), ("", "DeleteObjects request")],
)
def test_a_key_that_may_not_be_deleted_is_said_without_the_answer(code, why):
    message = f"DeleteObjects request failed for key folder/y: ganz-geheim (code: {code})"
    assert refusal(OSError(message))[0] == why


def test_an_error_without_words_has_its_name():
    assert refusal(OSError(""))[0] == "OSError"


def test_an_address_is_said_without_what_is_asked_of_it():
    lost = OSError("Error performing POST https://sts.example.org/?Action=Assume&WebIdentityToken=geheim in 3 s\nmore")
    assert refusal(lost)[0] == "Error performing POST https://sts.example.org/?… in 3 s"
