"""`/docs`: the OpenAPI document as one plain page.

The usual viewers load their code from a public server, and a laboratory's network has none; this
page needs nothing but itself.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

# It has a style of its own and no script.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
summary { cursor: pointer; padding: .4rem 0; }
details { border-bottom: 1px solid #d8dee4; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: #f6f8fa; padding: .7rem; overflow: auto; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 600; }
table { border-collapse: collapse; margin: .5rem 0; }
td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }
"""


def install(app: FastAPI) -> None:
    """Serve the page at ``/docs``."""

    @app.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers={"Content-Security-Policy": _POLICY})


def page(document: dict[str, Any]) -> str:
    """Write an OpenAPI document as HTML."""
    info = document["info"]
    schemas = document["components"]["schemas"]
    sections = [_section(tag, document, schemas) for tag in document.get("tags", [])]
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in info["description"].split("\n\n"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'{paragraphs}<p>For programs: <a href="/v1/openapi.json">/v1/openapi.json</a></p>'
        f"{''.join(sections)}</body></html>"
    )


def _section(tag: dict[str, Any], document: dict[str, Any], schemas: dict[str, Any]) -> str:
    rows = [
        _operation(method, path, operation, schemas)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation.get("tags", [])
    ]
    title = f"<h2>{escape(tag['name'])}</h2><p>{escape(tag.get('description', ''))}</p>"
    return title + "".join(rows)


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parameters = "".join(_parameter(parameter) for parameter in operation.get("parameters", []))
    body = operation.get("requestBody")
    responses = "".join(
        _response(status, answer, schemas) for status, answer in operation["responses"].items()
    )
    head = (
        f'<details><summary><span class="method">{method.upper()}</span><code>{escape(path)}</code> '
        f"{escape(operation.get('summary', ''))}</summary><p>{escape(operation.get('description', ''))}</p>"
    )
    parts = [head]
    if parameters:
        parts.append(f"<h4>Parameters</h4><table>{parameters}</table>")
    if body is not None:
        parts.append(f"<h4>Body</h4>{_content(body['content'], schemas)}")
    parts.append(f"<h4>Answers</h4><table>{responses}</table></details>")
    return "".join(parts)


def _parameter(parameter: dict[str, Any]) -> str:
    required = "required" if parameter.get("required") else ""
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])} {required}</td>"
        f"<td>{escape(parameter.get('description', ''))}</td></tr>"
    )


def _response(status: str, answer: dict[str, Any], schemas: dict[str, Any]) -> str:
    error = int(status) >= 400  # noqa: PLR2004 - errors all have the one shape, told once
    example = "" if error else _content(answer.get("content", {}), schemas)
    return f"<tr><td><code>{status}</code></td><td>{escape(answer.get('description', ''))}{example}</td></tr>"


def _content(content: dict[str, Any], schemas: dict[str, Any]) -> str:
    return "".join(
        f"<p><code>{escape(media_type)}</code></p>{_example(told, schemas)}"
        for media_type, told in content.items()
    )


def _example(told: dict[str, Any], schemas: dict[str, Any]) -> str:
    given = [one.get("value") for one in told.get("examples", {}).values()] or [told.get("example")]
    schema = told.get("schema", {})
    schema = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    shown = [example for example in given if example is not None] or [schema.get("example")]
    texts = [json.dumps(example, indent=2) for example in shown if example is not None]
    if not texts and schema.get("properties"):
        texts = [_fields(schema)]
    return "".join(f"<pre>{escape(text)}</pre>" for text in texts)


def _fields(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    lines = []
    for name, field in schema["properties"].items():
        optional = "" if name in required else " (optional)"
        lines.append(f"{name}{optional}: {field.get('description', field.get('title', ''))}")
    return "\n".join(lines)
