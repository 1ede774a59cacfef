"""The host's home page: its own widget, and our tables through a connection."""

import streamlit as st

import planner

st.title("Acme home")
number = st.number_input("Number", value=3, key="n", persist_state="session")
st.markdown(f"Twice is {planner.twice(number)}")
tables = st.connection("inferplan", type="inferplan.dashboard.connection.WarehouseConnection")
st.dataframe(tables.query("SELECT name, author FROM plans ORDER BY name", ttl=0), hide_index=True)
