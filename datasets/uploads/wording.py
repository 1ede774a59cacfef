"""Names and texts as SQL spells them, and cells of columns as texts."""


def quoted(name: str) -> str:
    """Return an identifier in quotes, as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def cell(name: str) -> str:
    """Return an expression for a column's cells as a CSV file would have them: maps and lists are JSON."""
    column = quoted(name)
    return (
        f"CASE WHEN regexp_matches(typeof({column}), '^(MAP|STRUCT|JSON)|\\[\\d*\\]$') "
        f"THEN to_json({column})::VARCHAR ELSE {column}::VARCHAR END"
    )


def column_text(name: str) -> str:
    """Return an expression for a column's cells as text."""
    return f"coalesce(CAST({quoted(name)} AS VARCHAR), '')"


def text_literal(value: str) -> str:
    """Return a text in quotes, as SQL wants it."""
    return "'" + value.replace("'", "''") + "'"
