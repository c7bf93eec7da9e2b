"""The description of an API, true where ninja's own is not: refusals are problem documents of their media type."""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from lilong.web.middleware import PROBLEM_JSON

PROBLEM_REF = "#/components/schemas/ProblemOut"


class DescribedApi(NinjaAPI):
    """An API whose description names problem documents as what they are."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the OpenAPI description."""
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    content = response.get("content", {})
                    described = content.get("application/json", {})
                    if described.get("schema", {}).get("$ref") == PROBLEM_REF:
                        response["content"] = {PROBLEM_JSON: described}
        return schema
