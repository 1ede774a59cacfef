"""The warehouse as a Streamlit connection, for our pages and for any host application.

``st.connection("inferplan", type="inferplan.dashboard.connection.WarehouseConnection")`` gives a host its
tables. The file is the connection's ``path``, else ``path`` under ``[connections.inferplan]`` in the secrets,
else ``INFERPLAN_DB``, else the user's data folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.connections import BaseConnection

from inferplan.datasets.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

NAME = "inferplan"
MAX_CACHED_RESULTS = 200


class WarehouseConnection(BaseConnection[Warehouse]):
    """Global and safe to share between sessions: every query runs on a cursor of its own."""

    def _connect(self, **kwargs: Any) -> Warehouse:
        return Warehouse.open(kwargs.get("path") or self._secrets.get("path") or kwargs.get("otherwise"))

    @property
    def warehouse(self) -> Warehouse:
        """The open warehouse, for the functions of ``planner`` and ``pricing`` that take one."""
        return self._instance

    def query(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        ttl: float | timedelta | None = 60,
    ) -> pd.DataFrame:
        """Return the result of ``sql`` as a frame that is the caller's own.

        Parameters
        ----------
        params
            Values for ``?`` or ``$name`` in ``sql``.
        ttl
            Seconds for which the result is remembered; 0 asks the database each time.
        """
        if ttl in (0, timedelta(0)):
            return self._instance.query(sql, params)

        def run(sql: str, params: Sequence[Any] | Mapping[str, Any] | None) -> pd.DataFrame:
            return self._instance.query(sql, params)

        # one cache for each open connection and lifetime, as Streamlit's own connections do
        run.__qualname__ = f"{run.__qualname__}.{self._connection_instance_id}.{ttl}"
        remembered = st.cache_data(ttl=ttl, max_entries=MAX_CACHED_RESULTS, show_spinner=False)(run)
        return remembered(sql, params)

    def close(self) -> None:
        """Let go of the file; called when the connection is released."""
        if self._raw_instance is not None:
            self._raw_instance.close()
            self._raw_instance = None


def warehouse() -> Warehouse:
    """Return the warehouse that all pages share.

    Raises
    ------
    WarehouseError
        If the file cannot be opened; the message says what to do.
    """
    connection = st.connection(NAME, type=WarehouseConnection, otherwise=os.environ.get("INFERPLAN_DB"))
    return connection.warehouse
