import pytest

from gateway.protocol.multipart import read_form
from runtimes.frameworks.llamacpp.python_requests import DIALECT as PYTHON_DIALECT
from tests.gateway.client import TOKEN, a_route, fetch

PATH = "/v1/audio/transcriptions"
TYPE = "multipart/form-data; boundary=B"
# A line that looks like a boundary, and bytes that are no text
AUDIO = b"RIFF\xff\x00\r\n--Bx\r\n--\r\n"


def field(name, value, more=""):
    head = f'Content-Disposition: form-data; name="{name}"{more}'.encode()
    value = value if isinstance(value, bytes) else value.encode()
    return b"--B\r\n" + head + b"\r\n\r\n" + value + b"\r\n"


MODEL = field("model", "smol")
FILE = field("file", AUDIO, '; filename="a.wav"\r\nContent-Type: audio/wav')
END = b"--B--\r\n"


async def post(gateway, *parts, kind=TYPE, token=TOKEN):
    headers = [("Content-Type", kind)]
    content = b"".join(parts)
    return await fetch(gateway, "POST", PATH, content, headers=headers, token=token)


@pytest.mark.parametrize(
    "parts",
    [
        (MODEL, FILE),
        (FILE, MODEL),
        (
            *(FILE, MODEL, field("language", "zh"), field("prompt", "你好")),
            field("timestamp_granularities[]", "word"),
            field("timestamp_granularities[]", "segment"),
            field("response_format", "verbose_json"),
        ),
    ],
)
async def test_form_reaches_the_engine_as_it_is(gateway, engine, counts, parts):
    response = await post(gateway, *parts, END)
    assert (response.status, response.json["text"]) == (200, "Hello")
    sent = engine.requests[-1]
    assert sent["path"] == PATH
    assert sent["content"] == b"".join([*parts, END])
    assert sent["headers"]["content-type"] == TYPE
    assert counts()["completion_tokens"] == 3


async def test_engine_gets_the_models_name_for_an_alias(gateway, loader, engine):
    loader.serve(a_route("smol", engine.replica, aliases=("whisper-1",)))
    response = await post(gateway, FILE, field("model", "whisper-1"), END)
    assert response.status == 200
    assert engine.requests[-1]["content"] == FILE + MODEL + END


async def test_unknown_field_is_dropped_by_the_setting(gateway, engine, settings):
    settings.GATEWAY_UNKNOWN_FIELDS = "drop"
    response = await post(gateway, MODEL, field("x", "y"), FILE, END)
    assert response.status == 200
    assert engine.requests[-1]["content"] == MODEL + FILE + END


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ((FILE,), "model"),
        ((MODEL,), "file"),
        ((MODEL, field("file", "text")), "file"),
        ((MODEL, MODEL, FILE), "model"),
        ((MODEL, FILE, FILE), "file"),
        ((MODEL, FILE, field("x", "y")), "x"),
        ((MODEL, FILE, field("temperature", "2")), "temperature"),
        ((MODEL, FILE, field("temperature", "nan")), "temperature"),
        ((MODEL, FILE, field("stream", "yes")), "stream"),
        ((MODEL, FILE, field("response_format", "srt")), "response_format"),
        ((MODEL, FILE, field("prompt", "x" * 65_537)), "prompt"),
    ],
)
async def test_invalid_field_is_named(gateway, engine, parts, param):
    response = await post(gateway, *parts, END)
    assert response.status == 400
    assert response.json["error"]["param"] == param
    assert engine.requests == []


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ((MODEL, FILE, END), "application/json"),
        ((MODEL, FILE, END), "multipart/form-data"),
        ((MODEL, FILE, END), "multipart/form-data; boundary=C"),
        ((MODEL, FILE, END), 'multipart/form-data; boundary="a b"'),
        ((MODEL, FILE), TYPE),
        ((), TYPE),
        ((*[field("x", "y")] * 65, END), TYPE),
    ],
)
async def test_other_body_is_refused(gateway, engine, parts, kind):
    response = await post(gateway, *parts, kind=kind)
    error = response.json["error"]
    assert (response.status, error["code"]) == (400, "invalid_form")
    assert engine.requests == []


async def test_token_is_checked(gateway):
    assert (await post(gateway, MODEL, FILE, END, token="x")).status == 401


async def test_engine_without_transcriptions_is_named(gateway, loader, engine):
    loader.serve(a_route("smol", engine.replica, dialect=PYTHON_DIALECT))
    response = await post(gateway, MODEL, FILE, END)
    assert response.json["error"]["code"] == "endpoint_not_supported"


def test_empty_value_is_kept():
    _, parts = read_form(field("prompt", "") + FILE + END, TYPE.encode())
    assert [(part.name, bytes(part.value)) for part in parts] == [
        ("prompt", b""),
        ("file", AUDIO),
    ]
