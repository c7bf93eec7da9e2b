"""People's data, for operators to whom a person has written."""

from pydantic import ConfigDict, JsonValue

from lilong.sdk.noun import Answer, Noun, address


class PersonExport(Answer):
    """Everything that the hub holds about a person; parts that newer hubs add are kept."""

    model_config = ConfigDict(extra="allow")

    made_at: str
    profile: dict[str, JsonValue]
    memberships: tuple[dict[str, JsonValue], ...]
    tokens: tuple[dict[str, JsonValue], ...]
    invitations: tuple[dict[str, JsonValue], ...]
    mentions: tuple[dict[str, JsonValue], ...]
    tables_cut: tuple[str, ...]


class People(Noun):
    """Export and erase a person's data."""

    def export(self, person_id: str) -> PersonExport:
        """Return everything that the hub holds about a person; the record says who asked."""
        return self._get(PersonExport, address("people", person_id, "export"))

    def erase(self, person_id: str, *, reason: str) -> None:
        """Erase name and address of a person, and end all memberships and tokens; refused for a last owner."""
        self._do("POST", address("people", person_id, "erase"), json={"reason": reason})
