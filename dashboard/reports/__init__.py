"""One module per download format; nothing here imports Streamlit."""
